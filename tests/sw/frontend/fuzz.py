"""A coverage-guided fuzzer on the loader of a format: no traceback, no hang, no more memory than a network needs.

    pip install atheris                                           # no dependency of the project
    python -m tests.sw.frontend.fuzz tflite --seconds 600

starts from small files that the tests' own builder makes. A file on which the loader does anything but give a graph or
one line is left in the folder ``--findings``.
"""

import argparse
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from sw.graph.graph import Graph, GraphError
from tests.sw.frontend import onnx_models
from tests.sw.frontend.models import STEPS, network, one_operator

__all__ = ["FORMATS", "SECONDS", "check", "corpus"]

SECONDS = 2.0          # that one file may take
MEGABYTES = 500
LAST_RESORT = "is damaged or cut short ("      # of the loader, around an error that it does not expect


def corpus():
    """Small TFLite files: one of each operator, and a few networks."""
    return [one_operator(name, 0)[0] for name in sorted(STEPS)] + [network(seed, 4)[0] for seed in range(20)]


def check(load, path):
    """Load a file that may be damaged; raises what nobody expects, or AssertionError where it is not one line."""
    start = time.monotonic()
    try:
        assert isinstance(load(path), Graph)
    except GraphError as error:
        text = str(error)
        assert "\n" not in text and path.name in text, text
        assert LAST_RESORT not in text, text
    assert time.monotonic() - start < SECONDS, f"{path}: took {time.monotonic() - start:.1f} s"


def load_tflite(path):
    from sw.frontend.tflite import load_tflite as load
    return load(path)


def onnx_corpus():
    """Small ONNX files, the same."""
    return [onnx_models.one_node(name, 0) for name in sorted(onnx_models.STEPS)] + [
        onnx_models.network(seed, 4) for seed in range(20)]


def load_onnx(path):
    from sw.frontend.onnx import load_onnx as load
    return load(path)


#: name -> what loads it, and its first files
FORMATS = {"tflite": (load_tflite, corpus), "onnx": (load_onnx, onnx_corpus)}


def main():
    import atheris

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--findings", type=Path, default=Path("findings"))
    options = parser.parse_args()
    load, first = FORMATS[options.format]
    with atheris.instrument_imports(include=["sw.frontend", "sw.graph", "sw.golden"]):
        for module in ("sw.frontend", "sw.frontend.tflite", "sw.frontend.onnx"):
            import_module(module)
    options.findings.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"fuzz.{options.format}"
        start = Path(folder) / "corpus"
        start.mkdir()
        for number, data in enumerate(first()):
            (start / f"{number}").write_bytes(data)

        def one(data):
            path.write_bytes(data)
            check(load, path)

        atheris.Setup([sys.argv[0], str(start), f"-max_total_time={options.seconds}", f"-rss_limit_mb={MEGABYTES}",
                       f"-timeout={int(SECONDS)}", f"-artifact_prefix={options.findings}/", "-print_final_stats=1",
                       "-max_len=65536", "-use_value_profile=1"], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
