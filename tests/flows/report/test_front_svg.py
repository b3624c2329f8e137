from xml.etree import ElementTree

from flows.report.front_svg import front_svg


def point(name, accuracy, latency_s, lut, fidelity="estimated"):
    return {"id": name, "metrics": {"accuracy": accuracy, "latency_s": latency_s, "lut": lut}, "fidelity": fidelity}


def test_every_point_has_a_mark_and_measured_ones_are_on_top():
    points = [point("a<b", 0.99, 1e-4, 9000, "measured"), point("c", 0.95, 1e-5, 5000)]
    tree = ElementTree.fromstring(front_svg(points, "Title & more"))
    titles = [element.text for element in tree.iter() if element.tag.endswith("title")]
    assert titles == ["c", "a<b"]


def test_one_point_and_none():
    for points in ([point("only", 1.0, 1e-5, 5000)], []):
        assert ElementTree.fromstring(front_svg(points, "t")).tag.endswith("svg")
