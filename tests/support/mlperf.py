"""The MLPerf Tiny networks and their vectors, which lie beside the checkout."""

from functools import cache
from pathlib import Path

import pytest

from sw.frontend import load_tflite
from sw.graph.graph import Graph

__all__ = ["MLPERF", "needs_mlperf", "network"]

MLPERF = Path(__file__).parents[3] / "shared" / "data" / "mlperf_tiny"
needs_mlperf = pytest.mark.skipif(not MLPERF.is_dir(), reason=f"{MLPERF.name} is not beside the checkout: {MLPERF}")


@cache
def network(name: str) -> Graph:
    return load_tflite(MLPERF / f"{name}.tflite")
