import re
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import torch

from sw.quant.root import root

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("shape", [(), (7,), (3, 5, 2)])
def test_it_is_the_nearest_number(shape):
    value = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    found = root(value)
    assert found.shape == value.shape and found.dtype == torch.float32
    for each, given in zip(found.flatten().tolist(), value.flatten().tolist(), strict=True):
        assert each == np.float32(sqrt(given))      # of a float32 number, in 64 bits: it is never halfway


def test_a_parameter_and_a_view_have_roots_too():
    value = torch.nn.Parameter(torch.tensor([[1.0, 4.0], [9.0, 16.0]]))
    assert root(value).tolist() == [[1.0, 2.0], [3.0, 4.0]] and root(value.T).tolist() == [[1.0, 3.0], [2.0, 4.0]]


def test_training_takes_no_root_of_torchs():
    """Its bits depend on the processor's maker."""
    wrong = re.compile(r"torch\.sqrt|_foreach_sqrt|(?<!np)(?<!math)\.sqrt_?\(|optim\.adam\b|\.pow\(0?\.5\)|\*\* 0?\.5")
    assert wrong.search("scale = torch.sqrt(x)") and wrong.search("x.clamp_min(0).sqrt()")
    assert wrong.search("from torch.optim.adam import adam") and not wrong.search("np.sqrt(x), math.sqrt(x)")
    found = [f"{path.name}: {line.strip()}" for path in sorted((ROOT / "sw" / "quant").rglob("*.py"))
             for line in path.read_text(encoding="utf-8").splitlines() if wrong.search(line)]
    assert found == []
