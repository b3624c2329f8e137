import pytest

from boards import BOARDS
from flows.fpga.sites import KINDS, Site, sites_of
from hw.spec.errors import HeddleError

DEVICES = sorted({board.device for board in BOARDS.values() if board.family == "ecp5"})


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_has_the_sites_that_its_board_says(device):
    budget = next(board.budget for board in BOARDS.values() if board.device == device)
    sites = sites_of(device)
    assert {"dsp": len(sites["MULT18X18D"]), "bram": len(sites["DP16KD"])}.items() <= budget.items()
    for found in sites.values():
        assert len({site.bel for site in found}) == len(found)
        assert list(found) == sorted(found)


@pytest.mark.parametrize("device", DEVICES)
def test_four_multipliers_lie_together(device):
    multipliers = sites_of(device)["MULT18X18D"]
    for start in range(0, len(multipliers), 4):
        group = multipliers[start:start + 4]
        assert [site.block for site in group] == ["MULT18_0", "MULT18_1", "MULT18_4", "MULT18_5"]
        assert [site.x - group[0].x for site in group] == [0, 1, 4, 5] and len({site.y for site in group}) == 1


def test_a_site_by_its_name_in_nextpnr():
    assert Site(y=58, x=4, block="MULT18_0").bel == "X4/Y58/MULT18_0"
    assert all(blocks for blocks in KINDS.values())


def test_a_device_that_is_not_in_the_database():
    with pytest.raises(HeddleError, match="LFE5U-99F"):
        sites_of("LFE5U-99F")
