"""The page about networks: its file is trained and exact in RTL, and its tables name what there is."""

import doctest
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flows.cli import main
from sw.graph.graph import Graph
from sw.models import NETWORKS, traced
from tests.sw.quant.modules import ALONE

PAGE = Path(__file__).resolve().parents[2] / "docs/networks.md"
TEXT = PAGE.read_text(encoding="utf-8")


def colours(folder):
    """PNGs whose class is their strongest colour, a folder a class."""
    rng = np.random.default_rng(0)
    labels = np.arange(480) % 3
    images = rng.integers(0, 120, (480, 12, 12, 3)).astype(np.uint8)
    images[np.arange(480), 2:10, 2:10, labels] += 80
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = folder / ("red", "green", "blue")[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number}.png")


def heddle(line, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*line.split()[1:], "--json"])
    said = capsys.readouterr()
    assert ended.value.code == 0, said.err
    return json.loads(said.out)


@pytest.mark.sim
def test_the_file_on_the_page_is_trained_and_exact_in_rtl(tmp_path, monkeypatch, capsys):
    """As it is printed, in fewer passes and with fewer inputs."""
    monkeypatch.chdir(tmp_path)
    source, = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    Path("net.py").write_text(source, encoding="utf-8")
    colours(Path("colours"))
    train, _ = re.findall(r"^    (heddle .*)$", TEXT, re.MULTILINE)
    document = heddle(f"{train} --passes 40 --inputs 4", capsys)
    assert document["test_accuracy"] > 0.9
    assert document["settings"]["settings"] == {"blocks": 2}
    found = document["verification"]
    assert (found["inputs"], found["mismatches"], found["first_mismatch"]) == (4, 0, None)
    assert {"conv", "add"} <= {layer["op"] for layer in found["layers"]}, "what the engine runs"
    assert {"mul", "table"} <= {layer.op for layer in Graph.load(Path("runs/own/model.npz")).layers}


@pytest.mark.sim
def test_the_autoencoder_on_the_page_tells_what_is_not_normal(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    _, train = re.findall(r"^    (heddle .*)$", TEXT, re.MULTILINE)
    document = heddle(f"{train} --inputs 4", capsys)
    low, high = document["test_interval"]
    area, cycles = re.findall(r"an area of ([\d.]+) .*\n?.*in ([\d,]+) cycles", TEXT)[0]
    assert document["metric"] == "auc" and low < document["test_accuracy"] < high
    assert document["test_accuracy"] == pytest.approx(float(area), abs=0.001)
    assert document["cycles"] == int(cycles.replace(",", ""))
    assert document["verification"]["mismatches"] == 0


def test_every_network_that_comes_with_heddle_has_its_row():
    rows = re.findall(r"^\| `(\w+)` \| (?!that)", TEXT[TEXT.index("## Those that come"):], re.MULTILINE)
    assert sorted(rows) == sorted(NETWORKS)


def test_every_operator_of_a_trace_has_a_module_in_the_tests():
    ops = {node.op for image, make in ALONE.values() for node in traced("test", make(), image).nodes}
    assert ops == {"input", "constant", "conv", "linear", "norm", "table", "prelu", "avgpool", "maxpool", "add", "sub",
                   "mul", "concat", "move", "pad", "dropout"}


def test_the_examples_run():
    assert doctest.testfile(str(PAGE), module_relative=False).failed == 0
