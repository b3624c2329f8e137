"""The page of ONNX files names what the importer has."""

import re
from pathlib import Path

import pytest

from sw.frontend.onnx_nodes import OPERATORS

PAGE = Path(__file__).parents[2] / "docs/onnx.md"


@pytest.mark.parametrize("kind", sorted({kind.split(".")[-1] for kind in OPERATORS}))
def test_every_operator_is_on_the_page(kind):
    assert re.search(rf"\b{kind}\b", PAGE.read_text(encoding="utf-8"))
