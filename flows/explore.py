"""``python flows/explore.py``: the main job, the same as ``heddle explore``."""

import sys

from flows.cli import main

if __name__ == "__main__":
    main(["explore", *sys.argv[1:]])
