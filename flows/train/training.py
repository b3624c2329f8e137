"""Trainings and accuracies, each made once and kept in the store."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.run.files import to_json
from flows.run.queue import say
from flows.run.store import Store, sources
from hw.spec.design import DesignPoint
from hw.spec.feedback import Feedback
from hw.spec.multipliers import MULTIPLIERS
from sw.data import Dataset, load_dataset
from sw.graph.graph import Graph
from sw.quant.config import TrainConfig

if TYPE_CHECKING:
    from sw.quant.training import Trained

__all__ = ["TrainTask", "accuracy", "dataset", "model_digest", "reopen", "run_task", "train_stored"]

MODEL, RECORD = "model.npz", "training.json"
READS = ("sw.data", "sw.models", "sw.quant", "sw.golden", "sw.graph", "hw.spec.requant", "hw.spec.feedback",
         "hw.spec.multipliers", "hw.spec.design")


@dataclass(frozen=True, kw_only=True)
class TrainTask:
    """One training for a worker: ``settings`` are fields of ``sw.quant.TrainConfig``.

    With ``designs`` the accuracies with their multipliers are computed as well.
    """

    store: tuple[str, int]
    data: str
    settings: tuple[tuple[str, Any], ...]
    feedback: Feedback | None = None
    designs: tuple[DesignPoint, ...] = ()

    @property
    def label(self) -> str:
        values = dict(self.settings)
        return (f"{values['network']} width {values['width']:g}, {values['weight_bits']} bits, seed {values['seed']}"
                + (f", chooses {values['choose']}" if values.get("choose") else "")
                + (", with feedback" if self.feedback else ""))


@cache
def reopen(root: str, limit_bytes: int) -> Store:
    """The store of another process, opened once in this one."""
    return Store(Path(root), limit_bytes)


@cache
def dataset(name: str) -> Dataset:
    """As ``load_dataset``, once in a process."""
    return load_dataset(name)


def run_task(task: TrainTask) -> str:
    """Train and evaluate; returns the folder. Runs in a worker."""
    store, data = reopen(*task.store), dataset(task.data)
    folder = train_stored(store, dict(task.settings), data, feedback=task.feedback)
    for design in task.designs:
        for split in ("valid", "test"):
            accuracy(store, folder / MODEL, data, design, split=split)
    return str(folder)


def train_stored(store: Store, settings: Mapping[str, Any], data: Dataset, *,
                 feedback: Feedback | None = None) -> Path:
    """The folder with ``model.npz`` and ``training.json`` of one training.

    ``training.json`` holds the settings as trained, the accuracies and the curve of each epoch.
    """
    key = {"settings": dict(settings), "data": data.digest, "feedback": asdict(feedback) if feedback else None,
           "sources": sources(*READS), "torch": version("torch")}

    def make(folder: Path) -> None:
        from sw.quant.training import train  # torch takes seconds to load

        config = TrainConfig(**settings)
        trained = train(config, data, feedback=feedback,
                        progress=lambda epoch: say(f"epoch {epoch.epoch} of {config.epochs}"))
        trained.graph.save(folder / MODEL)
        (folder / RECORD).write_text(to_json(_record(trained)))

    return store.get("training", key, make)


def _record(trained: "Trained") -> dict[str, Any]:
    return {**asdict(trained.config), "fake_accuracy": trained.fake_accuracy,
            "valid_accuracy": trained.valid_accuracy, "test_accuracy": trained.test_accuracy,
            "pick": asdict(trained.pick) if trained.pick else None,
            "curves": [asdict(epoch) for epoch in trained.curves]}


def model_digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def accuracy(store: Store, model: Path, data: Dataset, design: DesignPoint | None = None, *,
             split: str = "test") -> float:
    """Integer accuracy, 0 to 1, of a model file with the multiplier of ``design``; exact products without one."""
    dropped = 0 if design is None else MULTIPLIERS[design.multiplier].dropped_columns(design.weight_bits)
    key = {"model": model_digest(model), "dropped_columns": dropped, "data": data.digest, "split": split,
           "sources": sources("sw.golden", "sw.graph", "sw.data", "hw.spec.requant", "hw.spec.multipliers")}

    def make(folder: Path) -> None:
        from sw.golden import run

        graph = Graph.load(model)
        outputs = run(graph, data.quantized(split, graph.input), design)[-1]
        right = outputs.reshape(len(outputs), -1).argmax(1) == data.labels[split]
        (folder / "accuracy.json").write_text(to_json({"right": int(right.sum()), "images": len(right)}))

    counted = json.loads((store.get("accuracy", key, make) / "accuracy.json").read_text())
    return counted["right"] / counted["images"]
