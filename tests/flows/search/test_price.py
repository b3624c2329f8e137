from dataclasses import replace

import pytest

from flows.run.store import Store
from flows.search.constraints import Constraint
from flows.search.fits import Fitting
from flows.search.price import Price, prices
from flows.search.space import Hardware, Precision, Space, families
from flows.search.worth import fittings
from hw.spec.presets import PRESETS
from tests.sw.golden.nets import small_net

SPACE = Space(networks=families("small"), precision=Precision(weight_bits=(8,)),
              hardware=Hardware(geometries=((4, 4, 4), (1, 2, 4), (2, 2, 4)), multipliers=("dsp", "lut"),
                                requantizers=(1, 2), boards=("ulx3s-45", "ulx3s-85")))
CHOICE = SPACE.choices[0]


@pytest.fixture
def model(tmp_path):
    small_net(1).save(tmp_path / "model.npz")
    return tmp_path / "model.npz"


def arrays(space, model):
    return {(design.rows, design.cols, design.lanes) for price in prices(space, CHOICE, model)
            for design in price.fitting.designs}


def test_it_is_the_least_of_the_front_that_is_compiled(tmp_path, model):
    store = Store(tmp_path / "store")
    [price] = prices(SPACE, CHOICE, model)
    front = price.fitting.value(store).front
    found = price.value(store)
    assert found.cost == pytest.approx(min(fit.estimate.latency_s * fit.estimate.lut for fit in front), rel=1e-12)
    assert found.cpu_seconds > 0 and len(price.fitting.designs) == 4


def test_it_is_of_the_array_of_middle_size_where_a_network_may_have_it(model):
    assert arrays(SPACE, model) == {(2, 2, 4)}
    bound = replace(SPACE, constraints=(Constraint("rows * cols != 4"),))
    assert arrays(bound, model) == {(4, 4, 4), (1, 2, 4)}


def test_a_given_design_keeps_its_memories(tmp_path, model):
    given = SPACE.on(PRESETS["ecp5-25"], ("ulx3s-45",))
    [price] = prices(given, CHOICE, model)
    [fit] = price.fitting.value(Store(tmp_path / "store")).front
    assert price.value(Store(tmp_path / "store")).cost == fit.estimate.latency_s * fit.estimate.lut
    assert (fit.design.act_bytes, fit.design.weight_bytes) == (PRESETS["ecp5-25"].act_bytes,
                                                               PRESETS["ecp5-25"].weight_bytes)


def test_what_nothing_runs_has_none(tmp_path, model):
    [group] = fittings(SPACE, CHOICE, model, SPACE.options(CHOICE))
    nowhere = replace(group.fitting, clock_mhz=1000.0)
    assert isinstance(nowhere, Fitting) and Price(fitting=nowhere).value(Store(tmp_path / "store")).cost is None
