from dataclasses import replace
from pathlib import Path

import pytest

from flows.run.queue import Failure, Result
from flows.run.store import Store
from flows.search import seeds
from flows.search.point import Failed, Repeat
from flows.search.seeds import repeat_measured
from flows.search.space import Measure, Space
from flows.search.worth import Evaluator, Requirement, Trainings
from flows.train.data import DataSource
from hw.spec.feedback import Feedback, NoiseProfile
from tests.support.points import point

SPACE = Space(measure=Measure(seeds=3))
DATA = DataSource(name="digits", content="d")
NOISE = NoiseProfile(multiplier="trunc", weight_bits=8, mean=(0.0,) * 256, variance=(0.0,) * 256, pairs=65536,
                     simulator="s")
FEEDBACK = Feedback(design="d", fingerprint=1, clock_mhz=50.0, noise=NOISE, latency=())


def evaluator(tmp_path, space, **trainings):
    found = Evaluator(store=Store(tmp_path), sources={(): DATA, SIZED: DATA}, space=space, requirement=Requirement(),
                      drafts={})
    found.trainings = Trainings(**{"plain": {CHOICE: Path("plain.npz")}, **trainings})
    return found


def repeat(monkeypatch, tmp_path, points, space=SPACE, fails=(), **trainings):
    """The trainings that are asked for, and what comes of them: seed 2 has 0.92, and so on."""
    asked = []

    def run_queue(function, tasks, *, jobs, name, done):
        for task in tasks:
            asked.append(task)
            seed = task.training.config.seed
            done(Result(task=task, value=Failure(reason="out of memory") if seed in fails else 0.9 + seed / 100))
        return []

    monkeypatch.setattr(seeds, "run_queue", run_queue)
    return asked, repeat_measured(space, Store(tmp_path), evaluator(tmp_path, space, **trainings), points, jobs=1)


MEASURED = point("mlp", 0.96, 1e-5, 1000, measured=True)
CHOICE = MEASURED.candidate.network
SIZED = (("size", "9x9"),)


def on(candidate, **changes):
    return replace(candidate, chip=replace(candidate.chip, **changes))


def test_only_measured_points_are_repeated_with_the_seeds_after_their_own(monkeypatch, tmp_path):
    other = point("other", 0.97, 1e-5, 1000)
    asked, found = repeat(monkeypatch, tmp_path, [MEASURED, other])
    assert [task.training.config for task in asked] == [replace(SPACE.config(CHOICE), seed=seed)
                                                        for seed in (2, 3)]
    repeats = (Repeat(seed=1, accuracy=0.96), Repeat(seed=2, accuracy=pytest.approx(0.92)),
               Repeat(seed=3, accuracy=pytest.approx(0.93)))
    assert found.points == (replace(MEASURED, repeats=repeats), other) and found.failures == ()
    assert found.points[0].metrics == MEASURED.metrics      # the best seed does not take its place


def test_points_of_one_network_and_multiplier_share_their_trainings(monkeypatch, tmp_path):
    twin = replace(MEASURED, candidate=on(MEASURED.candidate, rows=1))
    asked, found = repeat(monkeypatch, tmp_path, [MEASURED, twin])
    assert len(asked) == 2 and [len(each.repeats) for each in found.points] == [3, 3]
    asked, _ = repeat(monkeypatch, tmp_path, [MEASURED, replace(
        twin, candidate=on(twin.candidate, multiplier="trunc"))])
    assert len(asked) == 4


def test_a_network_that_knows_the_noise_is_repeated_with_it(monkeypatch, tmp_path):
    noisy = replace(MEASURED, candidate=on(MEASURED.candidate, multiplier="trunc"))
    monkeypatch.setattr(Evaluator, "model", lambda self, candidate: Path(
        "noisy.npz" if candidate.chip.multiplier == "trunc" else "plain.npz"))
    asked, _ = repeat(monkeypatch, tmp_path, [MEASURED, noisy], noisy={CHOICE: Path("noisy.npz")},
                      feedback={8: FEEDBACK})
    assert [(task.design.multiplier, task.training.feedback) for task in asked] == [
        ("dsp", None), ("dsp", None), ("trunc", FEEDBACK), ("trunc", FEEDBACK)]


def test_what_fails_is_recorded_and_missing(monkeypatch, tmp_path):
    _, found = repeat(monkeypatch, tmp_path, [MEASURED], fails=(2,))
    assert [each.seed for each in found.points[0].repeats] == [1, 3]
    assert found.failures == (Failed(id="mlp width 1, 8 bits, seed 2 on dsp", doing="training with another seed",
                                     reason="out of memory"),)


def test_a_network_is_repeated_with_its_own_axes(monkeypatch, tmp_path):
    choice = replace(CHOICE, settings=(("width", 0.5), ("act", "relu")), data=SIZED, recipe=(("passes", 3.0),))
    own = replace(MEASURED, candidate=replace(MEASURED.candidate, network=choice))
    asked, found = repeat(monkeypatch, tmp_path, [own], plain={choice: Path("plain.npz")})
    assert [task.training.config for task in asked] == [replace(SPACE.config(choice), seed=seed) for seed in (2, 3)]
    assert asked[0].training.config.recipe.passes == 3.0 and len(found.points[0].repeats) == 3


def test_one_seed_is_no_spread(monkeypatch, tmp_path):
    asked, found = repeat(monkeypatch, tmp_path, [MEASURED], space=Space(measure=Measure(seeds=1)))
    assert asked == [] and found.points == (MEASURED,)
