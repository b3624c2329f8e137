"""``heddle train``: one network, trained into a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from flows.commands.verify import verify_model
from flows.report.rivals import rivals_svg
from flows.run.files import write_json, write_whole
from flows.run.progress import advance, note, work
from flows.run.queue import Failure, run_queue
from flows.run.store import Store, open_store
from flows.run.typed import to_plain, write_typed
from flows.train.accuracy import Score
from flows.train.data import DataSource
from flows.train.draft import Draft
from flows.train.latency import Latency
from flows.train.model import TFLITE, tflite_of
from flows.train.networks import untrained
from flows.train.recipes import RecipeFile, merged, read_recipe
from flows.train.rivals import compare, expected_s, ways_of
from flows.train.robustness import Robustness
from flows.train.rtl import RtlAccuracy
from flows.train.training import MODEL, RECORD, TrainedModel, Training
from flows.train.untrained import Untrained
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError, SpecError
from hw.spec.faults import Faults
from hw.spec.feedback import Feedback, LatencyEntry
from hw.spec.presets import load_design
from sw.compiler import CompileError, compile_graph
from sw.graph.graph import Graph
from sw.quant.config import Setting, TrainConfig

__all__ = ["compare_to", "config_of", "train_to"]

RIVALS, PICTURE = "rivals.json", "rivals.svg"


def config_of(network: str, *, weight_bits: int, seed: int, recipe: Path | None = None,
              width: float | None = None, settings: Sequence[tuple[str, Setting]] = (),
              changes: Mapping[str, Any] = MappingProxyType({})) -> TrainConfig:
    """What is trained: the recipe's file, with what the command line says on top.

    Raises
    ------
    SpecError, QuantError
        If the file or a value cannot be used.
    """
    file = read_recipe(recipe) if recipe else RecipeFile()
    given = [(name, value) for name, value in file.network.items() if name not in dict(settings)] + list(settings)
    widths = [value for name, value in given if name == "width"] if width is None else [width]
    return TrainConfig(network=network, width=(*widths, 1.0)[0], weight_bits=weight_bits, seed=seed,
                       settings=tuple(pair for pair in given if pair[0] != "width"),
                       recipe=merged(file.recipe, changes))


def train_to(config: TrainConfig, *, data: str, out: Path, feedback: Path | None = None, design: str | None = None,
             level: str | None = None, inputs: int = 32, rtl: bool = False) -> dict[str, Any]:
    """Train, unless the store has it, and write ``model.npz`` and ``training.json`` to ``out``.

    A network that cannot be trained or lowered is an error before it starts; so is one that ``design`` does not run,
    where the recipe prunes, with memories of any size. With a design there are ``cycles`` of what was trained; None,
    and a note, where the design does not hold it after all.

    With ``level``, a rung of the ladder, what was written is then verified on ``design`` with ``inputs`` of the test
    split; on the SoC an inference of recordings begins with the recording. With ``rtl`` all of
    the test split runs through the RTL of its engine.

    Beside them goes ``model.tflite`` with the same network, unless TFLite cannot hold it; a note says why.

    Returns
    -------
    dict
        ``training.json`` without the curves, with ``model``, the path of what was written, and ``tflite``,
        that of the TFLite file or None; with faults in the feedback, ``under_errors``, what the integer network is
        worth on devices that err so; with ``level``, ``verification``, the document of ``heddle verify``; with
        ``rtl``, what that gave (:class:`flows.train.rtl.InRtl`).
    """
    if (level or rtl) and not design:
        asked = f"--verify {level}" if level else "--rtl"
        raise SpecError(f"{asked}: on which design? add --design ecp5-25, for example")
    record = Feedback.load(feedback) if feedback else None
    source = DataSource.of(data)
    for warning in source.load().warnings:
        note(f"warning: {warning}")
    designs: tuple[DesignPoint, ...] = (load_design(design),) if design else ()
    drafted = Draft(network=Untrained(config=config, data=source), designs=designs, fit=_prunes(config))
    if line := drafted.value(open_store()):
        raise CompileError(line)
    latency = _latency(config, source, record, *designs)
    training = Training(config=config, data=source, feedback=record, latency=latency)
    with work(f"training {training.label}", 1):
        # In a process of its own, so that Ctrl-C ends it at once.
        value = run_queue(partial(_value, open_store()), [training], jobs=1, name=lambda _: "")[0].value
        advance()
    if isinstance(value, Failure):
        raise HeddleError(value.reason)
    written = _written(value, training, out, *designs)
    if rtl:
        with work("the test split through the RTL", 1):
            passed = RtlAccuracy(model=value.path, data=source, split="test", design=designs[0]).value(open_store())
            advance()
        written["rtl"] = {**to_plain(passed), "accuracy": passed.score.accuracy}
    if not (level and design):
        return written
    begin = "waveform" if level == "soc" and source.load().spec else "input"
    found = verify_model(str(out), design, level=level, inputs=inputs, data=data, begin=begin)
    return {**written, "verification": found}


def _prunes(config: TrainConfig) -> bool:
    """Whether channels are removed."""
    return "prune" in config.recipe.steps and config.recipe.prune.kind != "weights"


def _latency(config: TrainConfig, source: DataSource, feedback: Feedback | None,
             design: DesignPoint | None = None) -> LatencyEntry | None:
    """What pruning counts with: the cycles of the network on the design, else those that the record has of it."""
    if not _prunes(config):
        return None
    if design is not None:
        return Latency(config=config, data=source, design=design).value(open_store())
    if untrained(config) != untrained(TrainConfig(network=config.network, width=config.width, seed=config.seed,
                                                  weight_bits=config.weight_bits)):
        return None     # a record knows a network by its name, width and bits: one with more settings is another
    asked = (config.network, config.width, config.weight_bits)
    return next((entry for entry in (feedback.latency if feedback else ())
                 if (entry.network, entry.width, entry.weight_bits) == asked and entry.layers), None)


def compare_to(config: TrainConfig, *, data: str, out: Path, feedback: Path, seeds: int,
               jobs: int = 1) -> dict[str, Any]:
    """Compare training with the errors of the record with its cheaper rivals, from the configuration's seed on.

    Writes ``rivals.json`` and ``rivals.svg`` to ``out``, and says first how long it takes, about.

    Returns
    -------
    dict
        :class:`flows.train.rivals.Rivals` as plain values, with ``picture``.
    """
    record, source, store = Feedback.load(feedback), DataSource.of(data), open_store()
    asked = range(config.seed, config.seed + seeds)
    with work("measuring a pass", 1):
        took = expected_s(store, config, source, record, seeds=seeds, jobs=jobs)
    note(f"{seeds} seeds with {len(ways_of(config, record, source))} trainings each: about {_minutes(took)} where "
         f"nothing of it is in the store")
    found = compare(store, config, source, record, seeds=asked, jobs=jobs)
    write_typed(out / RIVALS, found)
    write_whole(out / PICTURE, rivals_svg(found).encode())
    plain: dict[str, Any] = to_plain(found)
    return {**plain, "picture": str(out / PICTURE)}


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def _under(model: Path, source: DataSource, faults: Faults) -> dict[str, Any]:
    """What the integer network is worth on hardware that errs; none of these devices was drawn in training."""
    on = Robustness(model=model, data=source, faults=faults).value(open_store())
    return {"what": faults.label, "devices": len(on.test), "valid_accuracy": on.accuracy("valid"),
            "test_accuracy": on.accuracy("test"), "worst_test_accuracy": min(score.accuracy for score in on.test)}


def _cycles(graph: Graph, design: DesignPoint) -> int | None:
    try:
        return compile_graph(graph, design).cycles
    except CompileError as error:
        note(f"{design.label} does not run it: {error}")
        return None


def _value(store: Store, training: Training) -> TrainedModel:
    """In a worker."""
    return training.value(store)


def _written(trained: TrainedModel, training: Training, out: Path,
             design: DesignPoint | None = None) -> dict[str, Any]:
    found = asdict(trained.record)
    config = found.pop("config")
    data = training.data.load()
    interval = Score.at(data, "test", trained.record.test_accuracy).interval
    settings = {**config, "settings": dict(config["settings"]), "data": training.data.name,
                "feedback": training.feedback and (training.feedback.design or training.feedback.label)}
    flat = {**found, "test_interval": list(interval), "test_inputs": len(data.labels["test"]), "settings": settings}
    if training.feedback and training.feedback.faults:
        with work("trying it on devices that err", 1):
            flat["under_errors"] = _under(trained.path, training.data, training.feedback.faults)
            advance()
    graph = Graph.load(trained.path)
    if design is not None:
        flat["cycles"] = _cycles(graph, design)
    write_whole(out / MODEL, trained.path.read_bytes())
    write_json(out / RECORD, flat)
    tflite = tflite_of(graph)
    if tflite is None:
        (out / TFLITE).unlink(missing_ok=True)     # of a training before
    else:
        write_whole(out / TFLITE, tflite)
    return {"model": str(out / MODEL), "tflite": None if tflite is None else str(out / TFLITE),
            **{name: value for name, value in flat.items() if name != "curves"}}
