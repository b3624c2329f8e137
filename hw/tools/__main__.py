"""``python -m hw.tools --prepare``: have the packaged tools of the main job ready before two runs start at once."""

import subprocess
import sys

from hw.tools.find import TOOLS, prepare

__all__ = ["main"]

# Amaranth runs its own Yosys inside the process, where nothing can wait for a first run.
_AMARANTH = "from amaranth.hdl import Module; from hw.emit.convert import convert; convert(Module(), ports=[])"


def main(argv: list[str]) -> int:
    if argv != ["--prepare"]:
        print("usage: python -m hw.tools --prepare", file=sys.stderr)
        return 2
    for name, tool in TOOLS.items():
        if tool.web_assembly and tool.native:
            prepare(name)
    return subprocess.run([sys.executable, "-W", "ignore", "-c", _AMARANTH], stdout=subprocess.DEVNULL,
                          check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
