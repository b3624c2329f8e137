from dataclasses import replace

import numpy as np
import pytest

from hw.spec.errors import HeddleError
from hw.spec.soc import MemoryMap, Region
from hw.tools import ToolError
from sw.firmware import build_software
from sw.firmware.software import model_source
from sw.graph.graph import Graph, Layer, TensorType
from tests.support.layers import random_graph, random_layer, random_residual
from tests.support.operators import every_function


def graph(seed=1):
    return random_graph(np.random.default_rng(seed), weight_bits=8)


def test_the_same_bytes_wherever_they_lie(tmp_path):
    first = build_software(graph(), tmp_path / "first", simd=True)
    assert first.read_bytes() == build_software(graph(), tmp_path / "elsewhere" / "second", simd=True).read_bytes()
    assert first.read_bytes() != build_software(graph(), tmp_path / "plain", simd=False).read_bytes()


def test_a_network_that_does_not_fit_is_one_line(tmp_path):
    with pytest.raises(ToolError, match=r"`rom' overflowed by \d+ bytes"):
        build_software(graph(), tmp_path, simd=False, memory=MemoryMap(rom=Region(origin=0, size=2048)))


def test_too_many_layers_are_an_error():
    kind = TensorType(shape=(1, 1, 4), scale=0.1, zero_point=0)
    zeros = np.zeros(4, np.int32)
    layer = Layer(name="same", op="dense", output=kind, weights=np.zeros((4, 4), np.int8), bias=zeros,
                  multiplier=zeros, shift=zeros)
    with pytest.raises(HeddleError, match="chain: 65 layers; the layer log holds 64; take a smaller network"):
        model_source(Graph(name="chain", inputs=(kind,), layers=(layer,) * 65))


@pytest.mark.parametrize("change", [{"dilation": (2, 1), "output": (1, 3, 4)}, {"shift": np.full(4, -1, np.int32)},
                                    {"weights": np.zeros((4, 3, 1, 2), np.int8)}])
def test_a_convolution_of_another_kind_is_a_call(tmp_path, change):
    kind = TensorType(shape=(5, 3, 4), scale=0.1, zero_point=0)
    layer = random_layer(np.random.default_rng(0), "conv", kind, outputs=4, kernel=(3, 1))
    assert "HEDDLE_KERNEL" not in model_source(Graph(name="usual", inputs=(kind,), layers=(layer,)))
    if "output" in change:
        change = change | {"output": replace(layer.output, shape=change["output"])}
    other = Graph(name="other", inputs=(kind,), layers=(replace(layer, **change),))
    text = model_source(other)
    assert "calls0[] = {{heddle_kernel_weighted, words0_0}};" in text
    assert "words0_0[] = {(uint32_t)buffer0 + 0, (uint32_t)buffer1 + 0, 5, 3, 4," in text
    assert build_software(other, tmp_path, simd=False).stat().st_size


def test_a_network_of_more_than_a_chain_is_refused():
    with pytest.raises(HeddleError, match="everything: the software runs networks of one input and one output"):
        model_source(every_function(np.random.default_rng(0)))


def test_what_the_software_lacks_is_named():
    rng = np.random.default_rng(1)
    with pytest.raises(HeddleError, match=r"layer \d \w+ \((add|conv)\): (the software has no such|reads tensor)"):
        model_source(random_residual(rng))
