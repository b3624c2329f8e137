import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from flows.estimate.runners import assign, outline
from flows.report import picture
from flows.report.picture import COLOURS, network_svg
from hw.spec.presets import PRESETS
from sw.compiler import compile_graph
from sw.graph.graph import Graph, TensorType
from tests.support.layers import random_add, random_layer
from tests.support.mixed import mixed_net
from tests.support.points import ASSIGNMENT
from tests.support.stages import random_dag

SVG = "{http://www.w3.org/2000/svg}"
MIXED = assign(compile_graph(mixed_net(), PRESETS["ecp5-25"]))


def boxes(text):
    """Each group's title, and its rectangle: left, top, right, bottom and fill."""
    found = []
    for group in ElementTree.fromstring(text).iter(f"{SVG}g"):
        box = group.find(f"{SVG}rect")
        left, top, width, height = (float(box.get(name)) for name in ("x", "y", "width", "height"))
        found.append((group.find(f"{SVG}title").text, (left, top, left + width, top + height), box.get("fill")))
    return found


def ends(text):
    """Where each edge begins and ends."""
    found = []
    for path in ElementTree.fromstring(text).iter(f"{SVG}path"):
        numbers = [float(each) for each in re.findall(r"-?\d+\.\d", path.get("d"))]
        found.append((tuple(numbers[:2]), tuple(numbers[-2:])))
    return found


def test_every_layer_is_a_box_in_the_colour_of_who_runs_it():
    colours = {title.splitlines()[0]: fill for title, _, fill in boxes(network_svg(MIXED, "mixed"))}
    for duty in MIXED.duties:
        if duty.layer is not None:
            assert colours[f"{duty.name} ({duty.op})"] == COLOURS[duty.runner][0]
    assert {"input 4×4×4", "state memory 4×4×4", "constant 1×1×4", "output", "next memory"} < set(colours)
    assert not any("copy" in title for title in colours)


def test_a_box_says_shape_cycles_and_why():
    text = network_svg(ASSIGNMENT, "a & b")
    assert "dense · 1×1×4 · 990 cycles" in text and "softmax · 1×1×4 · about 345 cycles" in text
    assert "CPU: the engine has no softmax" in text and "9,000 multiply-accumulates" in text
    assert "engine, 1,000 cycles" in text and "CPU, about 345 cycles" in text and "a &amp; b" in text
    floats = tuple(replace(duty, dtype="float32") for duty in ASSIGNMENT.duties)
    unknown = replace(ASSIGNMENT, duties=floats, estimated_cpu_cycles=None)
    assert "1×1×4 float32" in network_svg(unknown, "") and "CPU, cycles unknown" in network_svg(unknown, "")


def test_what_is_not_compiled_is_drawn_too():
    text = network_svg(outline(mixed_net()), "mixed")
    assert "not compiled" in text and "cycles" not in text


@pytest.mark.parametrize("seed", range(6))
def test_no_box_lies_on_another_and_every_edge_leads_down_from_box_to_box(seed):
    graph = random_dag(np.random.default_rng(seed), 25, cpu=True)
    text = network_svg(outline(graph), "wild")
    places = [place for _, place, _ in boxes(text)]
    width = float(ElementTree.fromstring(text).get("width"))
    for number, (left, top, right, bottom) in enumerate(places):
        assert 0 <= left and right <= width
        assert not any(left < other[2] and other[0] < right and top < other[3] and other[1] < bottom
                       for other in places[:number])
    below = {((left + right) / 2, bottom) for left, _, right, bottom in places}
    above = {((left + right) / 2, top) for left, top, right, _ in places}
    lines = ends(text)
    read = sum(len(set(graph.inputs_of(index))) for index in range(len(graph.layers)))
    assert len(lines) == read + 1                       # of the output
    for start, end in lines:
        assert min(abs(start[0] - x) + abs(start[1] - y) for x, y in below) < 0.2
        assert min(abs(end[0] - x) + abs(end[1] - y) for x, y in above) < 0.2
        assert start[1] < end[1]


def crossings(lines):
    """Pairs of edges between the same two rows that pass each other."""
    return [(a, b) for a in lines for b in lines
            if a[0][1] == b[0][1] and a[1][1] == b[1][1] and a[0][0] < b[0][0] and a[1][0] > b[1][0]]


def test_branches_do_not_cross_where_they_need_not(monkeypatch):
    """The second row's layers stand in the file the other way round than those that they read."""
    kind = TensorType(shape=(2, 2, 4), scale=0.1, zero_point=0)
    rng = np.random.default_rng(0)
    layers = [random_layer(rng, "conv", kind, outputs=4, kernel=(1, 1), inputs=(number,)) for number in (0, 0, 2, 1)]
    layers.append(random_add(rng, (3, 4), [layer.output for layer in layers[2:]]))
    found = outline(Graph(name="twisted", inputs=(kind,), layers=tuple(layers)))
    assert crossings(ends(network_svg(found, ""))) == []
    monkeypatch.setattr(picture, "_order", lambda rows, steps: None)      # in the file's order they do
    assert crossings(ends(network_svg(found, ""))) != []


def test_the_same_network_gives_the_same_picture():
    assert network_svg(MIXED, "mixed") == network_svg(MIXED, "mixed")


def test_names_of_others_do_no_harm():
    first, second = ASSIGNMENT.duties
    named = replace(ASSIGNMENT, duties=(replace(first, name="\x1b[2J]]>\0"), second))
    titles = [title for title, _, _ in boxes(network_svg(named, "\x07"))]
    assert "�[2J]]>� (dense)" in titles[1]
    assert titles[2].startswith("<end> (softmax)")
