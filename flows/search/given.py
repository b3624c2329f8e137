"""A model that is given: no network is searched and none is trained, the hardware is what is asked for."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flows.run.step import Step
from flows.run.store import Store
from flows.search.candidate import NetworkChoice
from flows.search.space import Family, Precision, Space
from flows.search.supernet import Learned
from flows.search.trainings import Drafts, Trained, Tried, inexact
from flows.search.worth import Trainings
from flows.train.data import DataSource
from flows.train.draft import refusal
from flows.train.model import load_model
from flows.train.training import MODEL
from flows.verify.inputs import vectors_beside
from hw.spec.errors import HeddleError, SpecError
from sw.graph.graph import Graph
from sw.graph.layer import WEIGHTED
from sw.quant.recipe import TRAINED_BITS

__all__ = ["GivenModel", "Imported", "give"]


@dataclass(frozen=True, kw_only=True)
class Imported(Step[Path]):
    """A model file of any format that Heddle reads, as ``model.npz``."""

    kind = "imported"
    file: Path

    def make(self, folder: Path, store: Store) -> None:
        from sw.frontend import load_file

        load_file(self.file).save(folder / MODEL)

    def load(self, folder: Path) -> Path:
        return folder / MODEL


@dataclass(frozen=True, kw_only=True)
class GivenModel:
    """What stands in the place of the networks of a space."""

    name: str                   # in the ids of points
    path: Path                  # a model.npz
    vectors: Path | None        # inputs beside the model, with what it must answer
    weight_bits: int            # the fewest that a design needs, so that none of its layers is too wide for it

    def alone(self, space: Space) -> Space:
        """The space with this model as its only network, and without conditions on what others would have."""
        alone = replace(space, networks=(Family(name=self.name),), precision=Precision(weight_bits=(self.weight_bits,)),
                        data=(), recipe_axes=(), constraints=())
        return replace(alone, constraints=tuple(
            constraint for constraint in space.constraints if constraint.names <= alone.names))

    def draft(self, choices: Sequence[NetworkChoice]) -> Drafts:
        """What :class:`flows.search.trainings.Trainer` gives, as is all that follows, with nothing trained."""
        return Drafts(models=dict.fromkeys(choices, self.path), failures=())

    def short(self, choices: Sequence[NetworkChoice], share: float) -> Tried:
        """Of nothing that is chosen from: one network is not halved."""
        return Tried()

    def train(self, choices: Sequence[NetworkChoice]) -> Trained:
        """The model, as it is."""
        return Trained(trainings=Trainings(plain=dict.fromkeys(choices, self.path)))

    def learn(self, choices: Sequence[NetworkChoice], trials: int) -> Learned:
        """Of nothing that is chosen from, likewise."""
        return Learned(odds=(), cpu_seconds=0.0)

    def check(self, space: Space, data: DataSource | None) -> None:
        """Before anything is spent.

        Raises
        ------
        SpecError
            If products are to err and there is no data to say what that costs.
        DataError
            If inputs of ``data`` have another shape.
        HeddleError
            If no design of the space runs the model; the line is the compiler's.
        """
        graph = Graph.load(self.path)
        if data is None and (erring := inexact(space, self.weight_bits)):
            raise SpecError(f"[hardware] multipliers: {erring!r} errs, and without data nobody knows what that costs; "
                            f"add --data SOURCE, or leave it out of the space")
        if data is not None:
            data.load().quantized("test", graph.input)
        designs = [option.design for choice in space.choices for option in space.options(choice)]
        if line := refusal(graph, designs):
            raise HeddleError(f"model {self.name!r}: no design of the space runs it; the last, {line}")


def give(name: str, store: Store) -> GivenModel:
    """``MODEL`` of the command line. Raises what :func:`flows.train.model.load_model` raises."""
    model = load_model(name)
    beside = vectors_beside(model.path)
    wide = max((layer.weight_bits for layer in model.graph.layers if layer.op in WEIGHTED), default=8)
    return GivenModel(name=_label(model.path, name), path=Imported(file=model.path).value(store),
                      vectors=beside if beside.is_file() else None,
                      weight_bits=min(bits for bits in TRAINED_BITS if bits >= wide))


def _label(path: Path, name: str) -> str:
    """For folders: of ``nets/kws.tflite`` and of a folder ``nets/kws`` with ``model.npz`` it is ``kws``."""
    folder = Path(name).resolve()
    if path.name == MODEL:
        stem = folder.parent.name if folder.name == MODEL else folder.name
    else:
        stem = path.stem
    return re.sub(r"[^\w-]+", "-", stem).strip("-") or "model"
