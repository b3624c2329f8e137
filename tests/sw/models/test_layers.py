import pytest

from sw.models import LayerSpec, ModelError


@pytest.mark.parametrize("fields, error", [
    ({"op": "pool"}, r"^op='pool': choose conv, depthwise, avgpool, dense$"),
    ({"op": ["conv"]}, r"^op=\['conv'\]: choose conv"),
    ({"op": "conv"}, r"^conv channels=0: conv needs at least 1$"),
    ({"op": "dense", "channels": -4}, r"^dense channels=-4: write a whole number up to 4096$"),
    ({"op": "dense", "channels": 8.0}, r"^dense channels=8\.0: write a whole number up to 4096$"),
    ({"op": "dense", "channels": float("nan")}, r"^dense channels=nan: write a whole number"),
    ({"op": "dense", "channels": True}, r"^dense channels=True: write a whole number"),
    ({"op": "dense", "channels": 5000}, r"^dense channels=5000: write a whole number up to 4096$"),
    ({"op": "avgpool", "channels": 3}, r"^avgpool channels=3: avgpool keeps its input, leave it 0$"),
    ({"op": "conv", "channels": 4, "kernel": 3},
     r"^conv kernel=3: takes two whole numbers, y and x; write kernel=\(3, 3\)"),
    ({"op": "conv", "channels": 4, "kernel": [3, 3]},
     r"^conv kernel=\[3, 3\]: takes two whole numbers, y and x; write"),
    ({"op": "conv", "channels": 4, "kernel": (3, 3.0)}, r"^conv kernel=\(3, 3\.0\): takes two whole numbers"),
    ({"op": "conv", "channels": 4, "kernel": (3, 3, 3)}, r"^conv kernel=\(3, 3, 3\): takes two whole numbers"),
    ({"op": "conv", "channels": 4, "kernel": (-1, 3)}, r"^conv kernel=\(-1, 3\): both are 0 to 255$"),
    ({"op": "conv", "channels": 4, "kernel": (3, 256)}, r"^conv kernel=\(3, 256\): both are 0 to 255$"),
    ({"op": "conv", "channels": 4, "stride": (0, 1)}, r"^conv stride=\(0, 1\): both are 1 to 31$"),
    ({"op": "conv", "channels": 4, "stride": 2},
     r"^conv stride=2: takes two whole numbers, y and x; write stride=\(2, 2\)$"),
    ({"op": "dense", "channels": 4, "kernel": (3, 3)}, r"^dense kernel=\(3, 3\), stride=\(1, 1\): a dense layer"),
    ({"op": "dense", "channels": 4, "stride": (2, 2)}, r"^dense kernel=\(1, 1\), stride=\(2, 2\): a dense layer"),
    ({"op": "avgpool", "kernel": (4, 4), "stride": (2, 2)}, r"^avgpool kernel=\(4, 4\), stride=\(2, 2\): windows lie"),
    ({"op": "conv", "channels": 4, "relu": "no"}, r"^conv relu='no': write True or False$"),
    ({"op": "conv", "channels": 4, "scaled": 0}, r"^conv scaled=0: write True or False$"),
])
def test_mistakes_are_named(fields, error):
    with pytest.raises(ModelError, match=error):
        LayerSpec(**fields)


def test_a_pool_may_repeat_its_kernel_as_stride():
    assert LayerSpec(op="avgpool", kernel=(2, 2), stride=(2, 2)).kernel == (2, 2)
