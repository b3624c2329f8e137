"""Training with the errors of hardware against what is cheaper, over paired seeds.

What a network is worth on hardware that errs is compared between trainings of equal method and passes that do not
know of the errors (``plain``), twice as long (``longer``), with statistics and ranges settled under the errors
(``settled``), where accumulators are narrow so too and with most weights 0, which makes sums small (``sparse``, with as
many passes again behind it), and with the errors in the forward pass (``feedback``, of a multiplier also bit for bit,
``exact``); each as it is, and with every device mended before it is used (``flows.train.robustness``). The best of
those that do not know, and the best of those that do, are chosen on the validation split, by their means over the
seeds, and their difference is that on the test split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import mean

from flows.run.progress import advance, note, work
from flows.run.queue import Failure, Result, run_queue
from flows.run.store import Store
from flows.train.accuracy import Accuracy
from flows.train.correction import Correction
from flows.train.data import DataSource
from flows.train.intervals import Effect, paired_effect
from flows.train.robustness import DEVICES, MENDINGS, Robustness
from flows.train.training import TrainedModel, Training
from hw.spec.errors import HeddleError
from hw.spec.feedback import Feedback
from sw.quant.config import TrainConfig
from sw.quant.recipe import Recipe

__all__ = ["LONGER", "Rivals", "Way", "compare", "expected_s", "ways_of"]

LONGER = 2.0            # times the passes of all steps
SPARSE = (0.5, 0.7, 0.8)       # of the weights, 0
INFORMED = ("feedback", "exact")
MENDED = {"": "", "bias": ", corrected", "deviation": ", calibrated"}
Scores = tuple[float, float]        # on valid and on test


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to cope with the errors, and what it comes to on hardware that errs."""

    name: str
    informed: bool                  # whether training knew of the errors
    valid_accuracy: float           # means over seeds and devices, 0 to 1
    test_accuracy: float
    by_seed: tuple[float, ...]      # on the test split, means over devices
    seconds: float                  # of its training, the mean


@dataclass(frozen=True, kw_only=True)
class Rivals:
    """What training with the errors gains over the strongest of what is cheaper."""

    errors: str                     # what errs
    network: str
    data: str
    seeds: tuple[int, ...]
    devices: int                    # on which each network is tried
    without_errors: float           # test accuracy of the plain training on hardware that does not err
    ways: tuple[Way, ...]
    rival: str                      # the way that is chosen among those that do not know
    feedback: str                   # and among those that do
    effect: Effect                  # of the second over the first
    verdict: str                    # feedback, rival or tie


@dataclass(frozen=True, kw_only=True)
class _Trial:
    name: str
    training: Training
    feedback: Feedback


def compare(store: Store, config: TrainConfig, data: DataSource, feedback: Feedback, *, seeds: Sequence[int],
            jobs: int = 1) -> Rivals:
    """Train and score all ways with all seeds; what the store has is not made again.

    Raises
    ------
    HeddleError
        If there are fewer than two seeds, nothing errs, or a training fails.
    """
    if len(seeds) < 2:
        raise HeddleError(f"compare={len(seeds)}: an interval takes two or more seeds; ten show an effect of its size")
    if not feedback.errs:
        raise HeddleError("feedback: the record has no errors; give one with noise or faults")
    trials = [_Trial(name=name, feedback=feedback, training=Training(config=replace(way, seed=seed), data=data,
                                                                     feedback=known))
              for seed in seeds for name, (way, known) in ways_of(config, feedback, data).items()]
    with work(f"comparing with {feedback.label}", len(trials)):
        results = run_queue(partial(_tried, store), trials, jobs=jobs, name=lambda trial: trial.training.label,
                            done=lambda result: _done(result))
    for result in results:
        if isinstance(result.value, Failure):
            raise HeddleError(f"{result.task.name}, {result.task.training.label}: {result.value.reason}")
    return _rivals(config, data, feedback, seeds, results)


def ways_of(config: TrainConfig, feedback: Feedback,
            data: DataSource) -> dict[str, tuple[TrainConfig, Feedback | None]]:
    """The trainings by their names: what each trains, and what it is told. All are aware ones."""
    recipe = replace(config.recipe, quantize=replace(config.recipe.quantize, method="aware"))
    count = len(data.load().labels["train"])
    passes = recipe.inputs(1.0, count) / count
    longer = replace(recipe, passes=LONGER * passes,
                     pretrain=replace(recipe.pretrain, passes=LONGER * recipe.pretrain.passes),
                     quantize=replace(recipe.quantize, passes=LONGER * recipe.quantize.passes))
    found: dict[str, tuple[TrainConfig, Feedback | None]] = {
        "plain": (replace(config, recipe=recipe), None), "longer": (replace(config, recipe=longer), None),
        "settled": (replace(config, recipe=replace(recipe, informed=("settle",))), feedback),
        "feedback": (replace(config, recipe=recipe), feedback)}
    if feedback.faults and feedback.faults.accumulator and "prune" not in recipe.steps:
        for share in SPARSE:
            found[f"sparse {share:.0%}"] = replace(config, recipe=_sparse(recipe, share)), feedback
    if feedback.noise:
        exact = replace(recipe, quantize=replace(recipe.quantize, forward="exact"))
        found["exact"] = (replace(config, recipe=exact), feedback)
    return found


def _sparse(recipe: Recipe, share: float) -> Recipe:
    """With that share of the weights removed before what follows floating point."""
    place = recipe.steps.index("quantize") if "quantize" in recipe.steps else len(recipe.steps)
    return replace(recipe, steps=(*recipe.steps[:place], "prune", *recipe.steps[place:]), informed=("settle",),
                   prune=replace(recipe.prune, kind="weights", share=share))


def expected_s(store: Store, config: TrainConfig, data: DataSource, feedback: Feedback, *, seeds: int,
               jobs: int) -> float:
    """About how many seconds :func:`compare` takes where the store has nothing, by what a single pass takes here."""
    once = replace(config.recipe, passes=1.0, pretrain=replace(config.recipe.pretrain, passes=1.0),
                   quantize=replace(config.recipe.quantize, method="aware", passes=1.0))
    stages = Training(config=replace(config, recipe=once), data=data, feedback=feedback).value(store).record.stages
    count = len(data.load().labels["train"])
    passes = config.recipe.inputs(1.0, count) / count
    fits = [stage for stage in stages if stage.steps]
    pass_s = mean(stage.step_s * stage.steps for stage in fits)
    ways = ways_of(config, feedback, data)
    trainings = len(ways) - 1 + LONGER + sum("prune" in way.recipe.steps for way, _ in ways.values())
    return seeds * trainings * 1.5 * passes * pass_s / jobs


def _done(result: Result[_Trial]) -> None:
    advance()
    if isinstance(result.value, Failure):
        note(f"failed: {result.task.name}: {result.value.reason}")


def _tried(store: Store, trial: _Trial) -> tuple[float, float, Mapping[str, Scores]]:
    """In a worker: seconds of the training, its test accuracy without errors, and scores with each mending."""
    trained = trial.training.value(store)
    right = Accuracy(model=trained.path, data=trial.training.data, split="test").value(store).accuracy
    return trained.record.seconds, right, _scores(store, trained, trial)


def _scores(store: Store, trained: TrainedModel, trial: _Trial) -> dict[str, Scores]:
    data, faults, noise = trial.training.data, trial.feedback.faults, trial.feedback.noise
    found = {}
    for mended in MENDINGS:
        if faults:
            on = Robustness(model=trained.path, data=data, faults=faults, mended=mended).value(store)
            found[mended] = (on.accuracy("valid"), on.accuracy("test"))
        elif noise and mended != "deviation":
            design = noise.design
            model = Correction(model=trained.path, data=data, design=design).value(store) if mended else trained.path
            valid, test = (Accuracy(model=model, data=data, split=split, design=design).value(store).accuracy
                           for split in ("valid", "test"))
            found[mended] = (valid, test)
    return found


def _rivals(config: TrainConfig, data: DataSource, feedback: Feedback, seeds: Sequence[int],
            results: Sequence[Result[_Trial]]) -> Rivals:
    by_name: dict[str, list[Result[_Trial]]] = {}
    for result in sorted(results, key=lambda result: result.task.training.config.seed):
        by_name.setdefault(result.task.name, []).append(result)
    ways = [_way(name, mended, mine) for name, mine in by_name.items() for mended in mine[0].value[2]]
    rival, informed = (max((way for way in ways if way.informed is told), key=lambda way: way.valid_accuracy)
                       for told in (False, True))
    effect = paired_effect(list(zip(rival.by_seed, informed.by_seed, strict=True)))
    low, high = effect.interval
    return Rivals(errors=feedback.label, network=replace(config, seed=seeds[0]).label.rpartition(", seed")[0],
                  data=data.name, seeds=tuple(sorted(seeds)),
                  devices=DEVICES if feedback.faults and feedback.faults.random else 1,
                  without_errors=mean(result.value[1] for result in by_name["plain"]), ways=tuple(ways),
                  rival=rival.name, feedback=informed.name, effect=effect,
                  verdict="feedback" if low > 0 else "rival" if high < 0 else "tie")


def _way(name: str, mended: str, results: Sequence[Result[_Trial]]) -> Way:
    scores = [result.value[2][mended] for result in results]
    return Way(name=name + MENDED[mended], informed=name in INFORMED, valid_accuracy=mean(valid for valid, _ in scores),
               test_accuracy=mean(test for _, test in scores), by_seed=tuple(test for _, test in scores),
               seconds=mean(result.value[0] for result in results))
