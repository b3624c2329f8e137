from dataclasses import replace

import pytest

from boards import find_board
from flows.run.store import Store
from flows.search import worth as module
from flows.search.space import Hardware, Precision, Space, families
from flows.search.worth import Evaluator, Requirement, Trainings, fittings
from flows.train.accuracy import Score
from flows.train.data import DataSource
from flows.train.intervals import wilson
from hw.spec.errors import HeddleError, SpecError
from hw.spec.feedback import Feedback, NoiseProfile
from sw.compiler import CompileError, compile_graph
from tests.support.points import metrics
from tests.sw.golden.nets import small_net

METRICS = metrics(0.99, 9.0, 9000)


def test_each_limit_is_named_with_its_share():
    assert Requirement().violations(METRICS, {"lut": 9000, "dsp": 28}) == {}
    over = Requirement(max_latency_s=4.5, min_accuracy=0.995).violations(METRICS, {"lut": 6000, "dsp": 28, "spram": 0})
    assert over == {"lut": 0.5, "latency_s": 1.0, "valid_accuracy": pytest.approx(0.005)}
    assert Requirement().violations(metrics(0.99, 9.0, 9000, fmax_mhz=40.0), {}) == {"fmax_mhz": 0.25}


def test_accuracy_is_asked_of_the_validation_split():
    lucky = replace(METRICS, accuracy=1.0)
    assert set(Requirement(min_accuracy=0.995).violations(lucky, {})) == {"valid_accuracy"}
    assert Requirement(min_accuracy=0.985).violations(replace(METRICS, accuracy=0.5), {}) == {}


SPACE = Space(networks=families("small", width=(1.0, 2.0)), precision=Precision(weight_bits=(8,)),
              hardware=Hardware(geometries=((1, 2, 4), (2, 4, 4), (1, 8, 4)), multipliers=("dsp", "lut"),
                                requantizers=(1, 2), boards=("ulx3s-25", "ulx3s-45")))
ONE, TWO = SPACE.choices
ERRING = replace(SPACE, hardware=replace(SPACE.hardware, multipliers=("lut", "trunc")))


NOISE = NoiseProfile(multiplier="trunc", weight_bits=8, mean=(0.0,) * 256, variance=(0.0,) * 256, pairs=65536,
                     simulator="s")


@pytest.fixture
def evaluator(tmp_path, monkeypatch):
    def made(space=SPACE, sources=True, **requirement):
        small_net(1).save(tmp_path / "draft.npz")
        trained = small_net(1)
        trained = replace(trained, layers=tuple(replace(each, weights=-each.weights) for each in trained.layers))
        trained.save(tmp_path / "model.npz")
        found = Evaluator(store=Store(tmp_path / "store"), sources={(): DataSource(name="none", content="c")} if sources
                          else None, space=space, requirement=Requirement(**requirement),
                          drafts=dict.fromkeys(space.choices, tmp_path / "draft.npz"))
        found.trainings = Trainings(plain={ONE: tmp_path / "model.npz"})
        return found

    monkeypatch.setattr(module.Accuracy, "value", lambda step, store: {
        "valid": Score(right=9, count=12), "test": Score(right=1, count=2)}[step.split])
    return made


def test_a_network_has_a_point_on_each_accelerator_that_none_beats(evaluator):
    """With exact cycles, and the memories that it needs."""
    asked = evaluator()
    points, (fits,) = asked.points(ONE), asked.fits(ONE)
    assert [point.design for point in points] == [fit.design for fit in fits.front] and len(points) > 1
    for point in points:
        assert point.feasible and point.candidate.network == ONE and point.design.board == point.candidate.board
        assert point.metrics.cycles == compile_graph(asked.graph(point.candidate), point.design).cycles
        assert (point.metrics.valid_accuracy, point.metrics.accuracy) == (0.75, 0.5)
        assert point.metrics.test_interval == wilson(1, 2)
        assert point.design.act_bytes < SPACE.design(point.candidate).act_bytes
        assert asked.model(point.candidate).name == "model.npz"
    places = [(point.metrics.cycles, -point.metrics.lut) for point in points]
    assert places == sorted(places) and len({point.id for point in points}) == len(points)


def test_what_it_costs_is_known_before_it_is_trained(evaluator):
    asked = evaluator()
    (fits,) = asked.fits(TWO)
    assert asked.cost(TWO) == min(fit.estimate.latency_s * fit.estimate.lut for fit in fits.front)
    assert asked.cost(TWO) == asked.cost(ONE)
    with pytest.raises(SpecError, match=r"^small-2-w8: was not trained$"):
        asked.points(TWO)


def test_training_changes_nothing_of_what_it_takes_and_only_the_front_is_asked_again(evaluator):
    asked = evaluator()
    points, (fits,) = asked.points(ONE), asked.fits(ONE)
    again = next(iter(fittings(SPACE, ONE, asked.trainings.plain[ONE], SPACE.options(ONE)))).fitting.value(asked.store)
    assert [fit.design for fit in again.front] == [point.design for point in points]
    assert [(fit.design, fit.estimate.cycles) for fit in again.front] == [
        (fit.design, fit.estimate.cycles) for fit in fits.front]


def test_each_limit_that_is_asked_for_is_a_violation(evaluator):
    points = evaluator(max_latency_s=1e-9, min_accuracy=0.8).points(ONE)
    assert {tuple(point.violations) for point in points} == {("latency_s", "valid_accuracy")}


def test_without_data_there_is_no_accuracy_and_none_is_missed(evaluator):
    points = evaluator(sources=False, min_accuracy=0.99).points(ONE)
    for found in points:
        assert found.violations == {}
        assert [found.metrics.accuracy, found.metrics.valid_accuracy, found.metrics.test_interval] == [None] * 3


def test_where_nothing_fits_the_nearest_is_a_point_that_says_what_it_exceeds(evaluator):
    space = replace(SPACE, hardware=replace(SPACE.hardware, geometries=((8, 8, 8),), multipliers=("dsp",),
                                            boards=("ulx3s-12",)))
    asked = evaluator(space)
    point, = asked.points(ONE)
    assert not point.feasible and asked.cost(ONE) is None
    assert point.violations["dsp"] == point.metrics.dsp / find_board("ulx3s-12").budget["dsp"] - 1


def test_a_given_design_keeps_its_memories(evaluator):
    given = replace(SPACE.options(ONE)[0].design, act_bytes=8192, weight_bytes=3072)
    point, = evaluator(SPACE.on(given, ("ulx3s-85", "ulx3s-25"))).points(ONE)
    assert point.design == replace(given, board="ulx3s-25")
    with pytest.raises(HeddleError, match="weight_bytes"):
        evaluator(SPACE.on(replace(given, weight_bytes=1024), ("ulx3s-25",))).points(ONE)


def test_what_cannot_be_compiled_has_the_compilers_line(evaluator, monkeypatch):
    from flows.search import fits

    def refuse(*arguments):
        raise CompileError("layer 0: too large")

    monkeypatch.setattr(fits, "fit_memories", refuse)
    with pytest.raises(HeddleError, match=r": layer 0: too large$"):
        evaluator().points(ONE)


def test_accelerators_with_other_products_are_looked_at_apart(evaluator):
    """A truncated product has another accuracy, so it is beaten by none that is exact."""
    asked = evaluator(ERRING)
    exact, erring = asked.fits(ONE)
    kinds = [point.candidate.chip.multiplier for point in asked.points(ONE)]
    assert kinds == ["lut"] * len(exact.front) + ["trunc"] * len(erring.front) and erring.front
    assert exact.looked + erring.looked == len(ERRING.options(ONE))
    two = replace(ERRING, precision=Precision(weight_bits=(2,)))
    assert len(list(fittings(two, two.choices[0], asked.drafts[ONE], two.options(two.choices[0])))) == 1


def test_of_two_trainings_each_multiplier_has_the_one_that_is_better_with_it(evaluator, monkeypatch, tmp_path):
    asked = evaluator(ERRING)
    feedback = Feedback(design="d", fingerprint=1, clock_mhz=50.0, noise=NOISE, latency=())
    asked.trainings = replace(asked.trainings, noisy={ONE: tmp_path / "draft.npz"}, feedback={8: feedback})

    def value(step, store):
        assert step.split in ("valid", "test")
        better = step.design.multiplier == "trunc" and step.model.name == "draft.npz"
        return Score(right=11 if better else 9, count=12)

    monkeypatch.setattr(module.Accuracy, "value", value)
    found = {point.candidate.chip.multiplier: point for point in asked.points(ONE)}
    assert {name: asked.model(point.candidate).name for name, point in found.items()} == {
        "lut": "model.npz", "trunc": "draft.npz"}
    assert found["trunc"].metrics.valid_accuracy == 11 / 12
    assert (asked.feedback(found["trunc"].candidate), asked.feedback(found["lut"].candidate)) == (feedback, None)


def test_options_of_the_data_choose_the_data(evaluator):
    space = replace(SPACE, data=(("size", ("8x8", "9x9")),))
    asked = evaluator(space)
    asked.sources = {choice.data: DataSource(name=space.source(choice, "d"), content="c") for choice in space.choices}
    assert [asked.data(choice).name for choice in space.choices] == ["d,size=8x8", "d,size=9x9"] * 2
    assert evaluator(sources=False).data(ONE) is None


def test_trainings_of_two_batches_are_those_of_both(tmp_path):
    one, other = Trainings(plain={ONE: tmp_path}), Trainings(plain={TWO: tmp_path}, noisy={TWO: tmp_path})
    assert one | other == Trainings(plain={ONE: tmp_path, TWO: tmp_path}, noisy={TWO: tmp_path})
