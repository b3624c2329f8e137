from boards import BOARDS
from flows.estimate.nearest import nearest_preset
from hw.spec.presets import PRESETS
from tests.sw.golden.nets import small_net

GRAPH = small_net(1)


def test_the_fastest_that_fits():
    assert nearest_preset(GRAPH, BOARDS["ulx3s-85"], 40) in ("ecp5-45", "ecp5-85")
    assert nearest_preset(GRAPH, BOARDS["ulx3s-25"], 40) == "ecp5-25"


def test_not_the_design_itself_nor_one_that_is_too_slow():
    assert nearest_preset(GRAPH, BOARDS["ulx3s-25"], 40, without=PRESETS["ecp5-25"]) is None
    assert nearest_preset(GRAPH, BOARDS["ulx3s-85"], 190) is None


def test_nothing_is_said_of_boards_that_are_not_modelled():
    assert nearest_preset(GRAPH, BOARDS["icebreaker"], 24) is None
