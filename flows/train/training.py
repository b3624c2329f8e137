"""Trainings, each made once and kept in the store."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flows.run.progress import note, tell
from flows.run.step import Step, keyed
from flows.run.store import Store
from flows.run.typed import read_typed, write_typed
from flows.train.data import DataSource
from flows.train.networks import named, network_key
from hw.spec.feedback import Feedback, LatencyEntry
from sw.models import network_source
from sw.models.processor import STANDARD, arithmetic, instructions
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
    """One training; with ``feedback`` it knows the hardware's noise."""

    kind = "training"
    config: TrainConfig = keyed(named)
    data: DataSource
    feedback: Feedback | None = field(default=None, repr=False)
    latency: LatencyEntry | None = field(default=None, repr=False)      # what pruning counts with

    @property
    def label(self) -> str:
        """For tables and progress."""
        return self.config.label + (", with feedback" if self.feedback else "")

    def code(self) -> tuple[Path, ...]:
        """The file that the network's function is in, wherever that is."""
        return (network_source(self.config.network),)

    def key(self) -> dict[str, Any]:
        """Also what a user's network is now, and how torch computes."""
        return {**super().key(), "network": network_key(self.config, self.data), "arithmetic": arithmetic()}

    def make(self, folder: Path, store: Store) -> None:
        from sw.quant.training import train  # brings torch, which takes seconds to load

        if instructions() != STANDARD:
            note(f"torch computes with {instructions()} here, not {STANDARD}: other machines may train {self.label} to "
                 f"other last digits")
        trained = train(self.config, self.data.load(), feedback=self.feedback, latency=self.latency,
                        progress=lambda look, ahead: tell(f"{look.stage}: {look.done:.0f} passes, {ahead:.0f} to go, "
                                                          f"{look.accuracy:.3f} on valid"))
        trained.graph.save(folder / MODEL)
        write_typed(folder / RECORD, replace(trained.record, config=named(self.config)))

    def load(self, folder: Path) -> TrainedModel:
        record = read_typed(TrainingRecord, folder / RECORD)
        return TrainedModel(path=folder / MODEL, record=replace(record, config=self.config))
