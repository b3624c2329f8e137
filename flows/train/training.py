"""Trainings, each made once and kept in the store."""

from dataclasses import dataclass, field
from pathlib import Path

from flows.run.progress import tell
from flows.run.step import Step
from flows.run.store import Store
from flows.run.typed import read_typed, write_typed
from flows.train.data import DataSource
from hw.spec.feedback import Feedback
from sw.models import network_source
from sw.quant.config import TrainConfig
from sw.quant.record import TrainingRecord

__all__ = ["MODEL", "RECORD", "TrainedModel", "Training"]

MODEL, RECORD = "model.npz", "training.json"


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A trained network in a folder, with how it came about."""

    path: Path                  # of model.npz
    record: TrainingRecord


@dataclass(frozen=True, kw_only=True)
class Training(Step[TrainedModel]):
    """One training; with ``feedback`` it knows the hardware's noise and latencies."""

    kind = "training"
    config: TrainConfig
    data: DataSource
    feedback: Feedback | None = field(default=None, repr=False)

    @property
    def label(self) -> str:
        """For tables and progress."""
        return self.config.label + (", with feedback" if self.feedback else "")

    def code(self) -> tuple[Path, ...]:
        """The file that the network's function is in, wherever that is."""
        return (network_source(self.config.network),)

    def make(self, folder: Path, store: Store) -> None:
        from sw.quant.training import train  # brings torch, which takes seconds to load

        epochs = self.config.epochs
        trained = train(self.config, self.data.load(), feedback=self.feedback,
                        progress=lambda epoch: tell(f"epoch {epoch.epoch} of {epochs}"))
        trained.graph.save(folder / MODEL)
        write_typed(folder / RECORD, trained.record)

    def load(self, folder: Path) -> TrainedModel:
        return TrainedModel(path=folder / MODEL, record=read_typed(TrainingRecord, folder / RECORD))
