"""Small files with answers of TFLite's reference kernels, beside the checkout: exact, or refused in one line."""

from pathlib import Path

import numpy as np
import pytest

from sw.frontend import load_file
from sw.golden import run
from sw.graph.graph import GraphError

CASES = Path(__file__).parents[4] / "shared" / "cases" / "tflite"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"{CASES.name} is not beside the checkout: {CASES}")

#: file -> how it is refused
REFUSED = {
    "batch4_fc": "its input, tensor 0, is a batch of 4; Heddle runs one inference at a time; convert it again with a",
    "empty": "is an empty file; get it again", "html": "is a web page, so the download gave no model",
    "int16_acts": "tensor 0 is INT16, not INT8; convert the network again with full-integer post-training quantization",
    "kernel_larger_valid": "operator 0 CONV_2D: a kernel of (5, 7) taps, (1, 1) apart, does not fit the input (1, 2",
    "no_quantization": "tensor 0 is INT8 without a scale and a zero point; convert the network again with full-integer",
    "output_scale_zero": "operator 0 FULLY_CONNECTED: tensor 3 has a scale of 0; a scale is above 0: get or convert",
    "truncated_half": "is damaged or cut short: a table Tensor at byte 596 reaches beyond the end at 488; get it again",
}
#: one byte is damaged in each; of those that are not here the byte does not matter
DAMAGED = {"fuzz_02", "fuzz_04", "fuzz_05", "fuzz_06", "fuzz_07", "fuzz_08", "fuzz_09"}
NAMES = sorted(path.stem for path in CASES.glob("*.tflite"))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_exact_or_one_line(name):
    path = CASES / f"{name}.tflite"
    if name in REFUSED or name in DAMAGED:
        with pytest.raises(GraphError) as caught:
            load_file(path)
        text = str(caught.value)
        assert f"{name}.tflite: {REFUSED.get(name, '')}" in text and "\n" not in text
        return
    graph = load_file(path)
    if not (vectors := CASES / f"{name}_vectors.npz").exists():
        assert name.startswith("fuzz_") or name == "big_accumulator"
        return
    stored = np.load(vectors)
    inputs, outputs = stored["inputs"], stored["outputs"]
    tensors = run(graph, inputs.reshape(len(inputs), *graph.input.shape))
    assert tensors[graph.answers[0]].reshape(outputs.shape).tolist() == outputs.tolist()


def test_all_kinds_are_there():
    assert set(REFUSED) | DAMAGED <= set(NAMES)
    assert len(NAMES) - len(REFUSED) - len(DAMAGED) == 45
