from dataclasses import replace
from itertools import product

import pytest

from flows.fpga.floorplan import FloorplanError, check_floorplan, floorplan
from flows.fpga.sites import Site, sites_of

DSP, RAM = "MULT18X18D", "DP16KD"


def engine_blocks(*, rows=4, cols=8, lanes=4, requantizers=8, requantizer_dsps=2, regions=5, prefix=""):
    """As the netlist of a wide engine names them."""
    products = [f"array.element_{r}_{c}.product_0_{lane}_MULT18X18D_P9"
                for r, c, lane in product(range(rows), range(cols), range(lanes))]
    scaling = [f"drain.requantizer{q}.scaling.${n + 1}_MULT18X18D_P9"
               for q, n in product(range(requantizers), range(requantizer_dsps))]
    weights = [f"weights$142.bank{bank}_{region}.0.{part}"
               for bank, region, part in product(range(cols), range(regions), range(4))]
    acts = [f"acts.bank{bank}.0.{part}" for bank, part in product(range(rows * lanes), range(2))]
    return {kind: [prefix + name for name in names]
            for kind, names in ((DSP, products + scaling), (RAM, [*weights, *acts, "layer_log.words.0.0"]))}


LARGE = engine_blocks(regions=4)
SOC = {kind: names + engine_blocks(regions=4, prefix="heddle_engine.")[kind] for kind, names in (
    (DSP, [f"VexRiscv.execute_MUL_{n}_MULT18X18D_P9" for n in ("HH", "HL", "LH", "LL")]),
    (RAM, [f"rom.0.{n}" for n in range(6)]))}
CASES = {"engine": (LARGE, "LFE5U-85F"), "soc": (SOC, "LFE5U-85F"),
         "small": ({RAM: engine_blocks(rows=2, cols=4, regions=2)[RAM]}, "LFE5U-25F"),
         "two lanes": (engine_blocks(rows=2, cols=8, lanes=2, requantizer_dsps=4, regions=1), "LFE5U-45F")}


@pytest.mark.parametrize("case", CASES)
def test_every_block_has_a_site_of_its_own(case):
    blocks, device = CASES[case]
    places = floorplan(blocks, sites_of(device))
    assert set(places) == {name for names in blocks.values() for name in names}
    assert len({site.bel for site in places.values()}) == len(places)
    check_floorplan(places, blocks, sites_of(device))


def test_the_order_of_the_cells_says_nothing():
    shuffled = {kind: names[::-1] for kind, names in LARGE.items()}
    assert floorplan(shuffled, sites_of("LFE5U-85F")) == floorplan(LARGE, sites_of("LFE5U-85F"))


def test_an_element_lies_in_one_group_and_columns_from_left_to_right():
    places = floorplan(LARGE, sites_of("LFE5U-85F"))

    def middle(text):
        found = [site.x for name, site in places.items() if text(name)]
        return sum(found) / len(found)

    for r, c in product(range(4), range(8)):
        element = [places[name] for name in LARGE[DSP] if name.startswith(f"array.element_{r}_{c}.")]
        assert len(element) == 4 and len({site.y for site in element}) == 1
        assert max(site.x for site in element) - min(site.x for site in element) == 5
    columns = [middle(lambda name, c=c: name.startswith("array.") and f"_{c}.product" in name) for c in range(8)]
    banks = [middle(lambda name, c=c: f".bank{c}_" in name) for c in range(8)]
    assert columns == sorted(columns) and banks == sorted(banks)
    assert max(abs(column - bank) for column, bank in zip(columns, banks, strict=True)) < 9


def test_what_is_no_part_of_the_engine_lies_together_in_the_lower_right_corner():
    places = floorplan(SOC, sites_of("LFE5U-85F"))
    lowest = max(site.y for site in sites_of("LFE5U-85F")[RAM])
    assert min(places[name].y for name in SOC[RAM] if name.startswith("rom")) >= lowest - 12
    assert min(places[name].x for name in SOC[DSP] if name.startswith("VexRiscv")) > 100
    assert min(places[name].x for name in SOC[RAM] if name.startswith("rom")) > 100


def test_too_many_blocks():
    with pytest.raises(FloorplanError, match=r"^MULT18X18D: 36 groups of blocks .* for 7 of sites; take a smaller"):
        floorplan(LARGE, sites_of("LFE5U-25F"))


def test_a_planted_fault_is_found():
    sites = sites_of("LFE5U-85F")
    right = floorplan(LARGE, sites)
    first, second, *_ = LARGE[DSP]
    outside = replace(right[first], y=right[first].y + 1)
    for places, message in (
            ({**right, second: right[first]}, rf"^{second.replace('.', '.')}: X\d+/Y\d+/MULT18_\d is taken by {first}"),
            ({**right, first: outside}, rf"^{first}: {outside.bel} is no MULT18X18D of the device"),
            ({**right, first: right[LARGE[RAM][0]]}, rf"^{first}: X\d+/Y\d+/EBR\d is no MULT18X18D of the device"),
            ({name: site for name, site in right.items() if name != first}, f"^{first}: has no place")):
        with pytest.raises(FloorplanError, match=message):
            check_floorplan(places, LARGE, sites)
    assert isinstance(outside, Site)
