"""What a trained network is worth on hardware that errs."""

from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from flows.run.step import Step
from flows.run.store import Store
from flows.run.typed import read_typed, write_typed
from flows.train.accuracy import Score
from flows.train.correction import training_inputs
from flows.train.data import DataSource
from hw.spec.faults import Faults
from sw.golden.faults import UNSEEN, Device
from sw.graph.graph import Graph

__all__ = ["DEVICES", "MENDINGS", "OnDevices", "Robustness"]

DEVICES = 5
#: What is done to a device before it is used, with training inputs and without labels.
MENDINGS = ("", "bias", "deviation")
SPLITS = ("valid", "test")
RECORD = "robustness.json"


@dataclass(frozen=True, kw_only=True)
class OnDevices:
    """Scores on each device."""

    valid: tuple[Score, ...]
    test: tuple[Score, ...]

    def accuracy(self, split: str) -> float:
        """The mean over the devices, 0 to 1."""
        return mean(score.accuracy for score in getattr(self, split))


@dataclass(frozen=True, kw_only=True)
class Robustness(Step[OnDevices]):
    """The integer graph on some devices, each with its own errors; on one where errors are not random.

    ``mended`` says what is done to each device before: nothing, a ``bias`` of each channel such that its sums have the
    mean that they have without errors, or that and a multiplier such that they have its ``deviation``.
    """

    kind = "robustness"
    model: Path
    data: DataSource
    faults: Faults
    mended: str = ""            # one of MENDINGS
    devices: int = DEVICES

    def make(self, folder: Path, store: Store) -> None:
        graph, data = Graph.load(self.model), self.data.load()
        found: dict[str, list[Score]] = {split: [] for split in SPLITS}
        for seed in range(UNSEEN, UNSEEN + (self.devices if self.faults.random else 1)):
            device = Device(graph, self.faults, seed)
            if self.mended:
                device.calibrate(training_inputs(graph, self.data), deviations=self.mended == "deviation")
            for split, scores in found.items():
                outputs = device.run(data.quantized(split, graph.input))
                scores.append(Score.of(data, split, graph.output.real(outputs)))
        write_typed(folder / RECORD, OnDevices(**{split: tuple(scores) for split, scores in found.items()}))

    def load(self, folder: Path) -> OnDevices:
        return read_typed(OnDevices, folder / RECORD)
