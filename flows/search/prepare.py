"""Everything that is trained before the search: the networks of the space, and the comparison with feedback."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.report.console import Display
from flows.run.queue import Failure, run_queue
from flows.run.store import Store
from flows.search.space import Space
from flows.search.worth import Key, Trainings
from flows.train.feedback import compare, inexact, make_feedback, reference_design, settings, trainings
from flows.train.training import MODEL, RECORD, TrainTask, accuracy, run_task
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.feedback import Feedback
from sw.data import Dataset

__all__ = ["PrepareError", "Prepared", "prepare"]


class PrepareError(HeddleError):
    """No network could be trained; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Trained networks, the feedback record and what came of it, and trainings that failed."""

    trainings: Trainings
    records: list[dict[str, Any]]       # training.json of each network of the space
    feedback: Feedback | None
    comparison: dict[str, Any] | None   # for the report
    failures: list[dict[str, str]]


def prepare(space: Space, store: Store, data: Dataset, source: str, *, jobs: int, display: Display) -> Prepared:
    """Train all that the search needs; ``source`` is the data set's name for the workers.

    Raises
    ------
    PrepareError
        If not a single network could be trained.
    """
    work = _Work(store=store, source=source, space=space, jobs=jobs, display=display)
    plan = space.feedback
    widths = sorted({*space.networks.weight_bits, plan.weight_bits})
    designs = {bits: reference_design(space, kind, bits) for bits in widths if (kind := inexact(space, bits))}
    base = {_key(values): values for values in trainings(space)}
    seeds = range(space.training.seed, space.training.seed + plan.seeds) if plan.weight_bits in designs else ()
    pairs = [settings(space, network=plan.network, width=plan.width, weight_bits=plan.weight_bits, seed=seed)
             for seed in seeds]
    first = work.train("training the networks", [
        *(work.task(values, designs=designs) for values in base.values()),
        *(work.task(values, designs=designs) for values in pairs)])
    plain = {key: first[_frozen(values)] for key, values in base.items() if _frozen(values) in first}
    if not plain:
        raise PrepareError(f"no network could be trained: {work.failures[0]['reason']}")
    if not designs:
        return Prepared(trainings=Trainings(plain=_models(plain)), records=_records(plain), feedback=None,
                        comparison=None, failures=work.failures)
    return _close_loop(work, data, plain, first, pairs, designs)


def _close_loop(work: "_Work", data: Dataset, plain: Mapping[Key, Path], first: Mapping[Any, Path],
                pairs: Sequence[dict[str, Any]], designs: Mapping[int, DesignPoint]) -> Prepared:
    """Measure the inexact multiplier, train with what was measured, compare."""
    space, plan = work.space, work.space.feedback
    records = {}
    with work.display.bar("measuring the multiplier's RTL", len(designs)) as bar:
        for bits, design in designs.items():
            records[bits] = make_feedback(work.store, space, _models(plain), design.multiplier, bits)
            bar.advance()
    informed = {key: settings(space, network=key[0], width=key[1], weight_bits=key[2])
                for key in plain if key[2] in designs}
    tasks = [work.task(values, designs=designs, feedback=records[key[2]]) for key, values in informed.items()]
    main = records.get(plan.weight_bits)
    choosing = settings(space, network=plan.network, width=plan.width, weight_bits=plan.weight_bits, choose="both")
    if main:
        tasks += [work.task(values, designs=designs, feedback=main) for values in pairs]
        tasks.append(work.task(choosing, feedback=main))
    second = work.train("training with feedback", tasks)
    noisy = {key: second[_frozen(values)] for key, values in informed.items() if _frozen(values) in second}
    comparison = None
    if main:
        comparison = {**_comparison(work, data, pairs, first, second, main),
                      "choices": _choices(plain, second.get(_frozen(choosing)))}
    return Prepared(trainings=Trainings(plain=_models(plain), noisy=_models(noisy)), records=_records(plain),
                    feedback=main or next(iter(records.values())), comparison=comparison, failures=work.failures)


class _Work:
    """What every batch of trainings shares."""

    def __init__(self, *, store: Store, source: str, space: Space, jobs: int, display: Display) -> None:
        self.store, self.source, self.space, self.jobs, self.display = store, source, space, jobs, display
        self.failures: list[dict[str, str]] = []

    def task(self, values: Mapping[str, Any], *, designs: Mapping[int, DesignPoint] | None = None,
             feedback: Feedback | None = None) -> TrainTask:
        chosen = [design for bits, design in (designs or {}).items() if bits == values["weight_bits"]]
        return TrainTask(store=(str(self.store.root.parent), self.store.limit_bytes), data=self.source,
                         settings=tuple(sorted(values.items())), feedback=feedback, designs=tuple(chosen))

    def train(self, title: str, tasks: Iterable[TrainTask]) -> dict[Any, Path]:
        """Folders by settings; those that failed are in ``failures`` instead."""
        unique = list({(task.settings, task.feedback is None): task for task in tasks}.values())
        found: dict[Any, Path] = {}
        with self.display.bar(title, len(unique)) as bar:
            def done(result: Any) -> None:
                bar.forget(result.task.label)
                bar.advance()
                if isinstance(result.value, Failure):
                    bar.note(f"failed: {result.task.label}: {result.value.reason}")

            # The wide ones first: they take longest.
            unique.sort(key=lambda task: -dict(task.settings)["width"])
            for result in run_queue(run_task, unique, jobs=self.jobs, name=_label, hear=bar.hear, done=done):
                if isinstance(result.value, Failure):
                    self.failures.append({"id": result.task.label, "stage": "training", "reason": result.value.reason})
                else:
                    found[result.task.settings] = Path(result.value)
        return found


def _label(task: TrainTask) -> str:
    return task.label


def _key(values: Mapping[str, Any]) -> Key:
    return values["network"], values["width"], values["weight_bits"]


def _frozen(values: Mapping[str, Any]) -> Any:
    return tuple(sorted(values.items()))


def _models(folders: Mapping[Key, Path]) -> dict[Key, Path]:
    return {key: folder / MODEL for key, folder in folders.items()}


def _records(folders: Mapping[Key, Path]) -> list[dict[str, Any]]:
    return [json.loads((folder / RECORD).read_text()) for folder in folders.values()]


def _comparison(work: _Work, data: Dataset, pairs: Sequence[dict[str, Any]], first: Mapping[Any, Path],
                second: Mapping[Any, Path], feedback: Feedback) -> dict[str, Any]:
    """Accuracy on the inexact multiplier with and without the feedback, seed by seed."""
    plan, kind = work.space.feedback, feedback.noise.multiplier
    design = reference_design(work.space, kind, plan.weight_bits)
    rows = []
    for values in pairs:
        before, after = first.get(_frozen(values)), second.get(_frozen(values))
        if before and after:
            rows.append({"seed": values["seed"],
                         "exact": accuracy(work.store, before / MODEL, data),
                         "without": accuracy(work.store, before / MODEL, data, design),
                         "with": accuracy(work.store, after / MODEL, data, design)})
    if len(rows) < 2:
        raise PrepareError(f"the comparison with feedback needs two pairs of trainings and has {len(rows)}: "
                           f"{work.failures[0]['reason']}")
    return {"label": f"{plan.network}, width {plan.width:g}, {plan.weight_bits}-bit weights on {design.label}",
            "profile": {"multiplier": kind, "weight_bits": feedback.noise.weight_bits, "mean": feedback.noise.mean,
                        "variance": feedback.noise.variance, "pairs": feedback.noise.pairs,
                        "simulator": feedback.noise.simulator},
            "pairs": rows, **compare([(row["without"], row["with"]) for row in rows])}


def _choices(plain: Mapping[Key, Path], chosen: Path | None) -> list[dict[str, Any]]:
    """The networks that the latency term chose from, with the accuracy of each when trained by itself."""
    if chosen is None:
        return []
    pick = json.loads((chosen / RECORD).read_text())["pick"]
    rows = []
    for entry, probability in zip(pick["candidates"], pick["probabilities"], strict=True):
        key = (entry["network"], entry["width"], entry["weight_bits"])
        if key in plain:
            record = json.loads((plain[key] / RECORD).read_text())
            picked = (entry["width"], entry["weight_bits"]) == (pick["width"], pick["weight_bits"])
            rows.append({"width": entry["width"], "weight_bits": entry["weight_bits"], "cycles": entry["cycles"],
                         "probability": probability, "picked": picked, "accuracy": record["test_accuracy"]})
    return sorted(rows, key=lambda row: row["cycles"])
