"""Networks before they are trained. Apart from what asks the compiler, whose changes leave them as they are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.run.step import Step, keyed
from flows.run.store import Store
from flows.train.data import DataSource
from flows.train.networks import network_key, untrained
from sw.models import network_source
from sw.quant.config import TrainConfig

__all__ = ["Untrained"]

MODEL = "model.npz"


@dataclass(frozen=True, kw_only=True)
class Untrained(Step[Path]):
    """``model.npz`` of the untrained network, from which all that a design takes is known.

    Its weights are random and its activations' ranges those of random inputs. Raises ModelError or QuantError where
    the network cannot be trained; the line names the layer.
    """

    kind = "untrained"
    config: TrainConfig = keyed(untrained)
    data: DataSource

    def code(self) -> tuple[Path, ...]:
        """The file that the network's function is in."""
        return (network_source(self.config.network),)

    def key(self) -> dict[str, Any]:
        return {**super().key(), "network": network_key(self.config, self.data)}

    def make(self, folder: Path, store: Store) -> None:
        from sw.quant.training import draft  # brings torch, which takes seconds to load

        draft(self.config, self.data.load()).save(folder / MODEL)

    def load(self, folder: Path) -> Path:
        return folder / MODEL
