import xml.etree.ElementTree as ElementTree

from flows.report.rivals import LEFT, RIGHT, WIDTH, rivals_svg
from tests.support.rivals import rivals

SVG = "{http://www.w3.org/2000/svg}"


def test_every_way_is_a_row_of_dots_and_the_chosen_ones_are_bold():
    root = ElementTree.fromstring(rivals_svg(rivals()))
    said = {item.text: item for item in root.iter(f"{SVG}text")}
    assert "1% of the bits of <activations> flip: mlp width 0.5, 8 bits" in said
    assert "feedback over settled, corrected: +10.0 points, 95% [2.0, 18.0], 2 seeds: feedback" in said
    bold = [text for text, item in said.items() if item.get("font-weight") == "700"]
    assert bold == ["settled, corrected", "0.600", "feedback", "0.700"]
    dots = list(root.iter(f"{SVG}circle"))
    places = [float(dot.get("cx")) for dot in dots]
    assert len(dots) == 6 and places == sorted(places[:2]) + sorted(places[2:4]) + sorted(places[4:])
    assert all(LEFT <= place <= WIDTH - RIGHT for place in places)
    assert len({dot.get("fill") for dot in dots}) == 2
