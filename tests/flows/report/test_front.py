from dataclasses import replace
from xml.etree import ElementTree

from flows.report.front import front_svg
from tests.support.points import point as named
from tests.support.points import without_data


def point(name, accuracy, latency_s, lut, fidelity="estimated"):
    return named(name, accuracy, latency_s, lut, measured=fidelity == "measured")


def test_every_point_has_a_mark_and_measured_ones_are_on_top():
    points = [point("a", 0.99, 1e-4, 9000, "measured"), point("c", 0.95, 1e-5, 5000)]
    points[0] = replace(points[0], candidate=replace(points[0].candidate, board="a<b"))
    tree = ElementTree.fromstring(front_svg(points, "Title & more"))
    titles = [element.text for element in tree.iter() if element.tag.endswith("title")]
    assert [title.split("-1-w8")[0] for title in titles] == ["c", "a"] and titles[1].endswith("-a<b")


def test_one_point_and_none():
    for points in ([point("only", 1.0, 1e-5, 5000)], []):
        assert ElementTree.fromstring(front_svg(points, "t")).tag.endswith("svg")


def test_without_data_logic_is_upwards():
    points = [without_data(point("large", 0.9, 1e-5, 30000, "measured")), without_data(point("small", 0.9, 1e-4, 5000))]
    drawn = front_svg(points, "t")
    tree = ElementTree.fromstring(drawn)
    words = [element.text for element in tree.iter() if element.tag.endswith("text")]
    assert "LUTs" in words and "20,000" in words and not [word for word in words if "accuracy" in word or "%" in word]
    heights = {}
    for element in tree.iter():
        for title in element:
            if title.tag.endswith("title"):
                heights[title.text.split("-")[0]] = float(
                    element.get("cy") or element.get("d").split()[1].split("l")[0])
    assert 200 < heights["small"] - heights["large"] < 300
