"""``MODEL`` of the command line: a network's name, or what Heddle wrote."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import is_zipfile

import numpy as np

from flows.run.progress import note
from flows.run.store import open_store
from flows.train.correction import INPUTS, training_inputs
from flows.train.data import DataSource
from flows.train.training import Training
from flows.verify.inputs import choose_inputs
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from sw.golden import corrected
from sw.graph.graph import Graph, GraphError
from sw.models import NETWORKS
from sw.quant.config import TrainConfig

__all__ = ["RANDOM", "TFLITE", "Model", "correct_model", "load_model", "named_config", "tflite_of"]

TFLITE = "model.tflite"
RANDOM = "random"      # inputs of no data set
SEED = 1    # of a network that is asked for by name; the default space's, so that its trainings are found


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A graph and the file that it came from."""

    name: str
    graph: Graph
    path: Path
    changed: bool = False       # the graph is another one than the file's

    def content(self) -> bytes:
        """Of a ``model.npz`` with this graph."""
        if is_zipfile(self.path) and not self.changed:
            return self.path.read_bytes()
        with TemporaryDirectory() as folder:
            copy = Path(folder) / "model.npz"
            self.graph.save(copy)
            return copy.read_bytes()


def tflite_of(graph: Graph) -> bytes | None:
    """The same network as a TFLite file for other runtimes; None, with a note, where TFLite cannot hold it."""
    from sw.frontend import export_tflite

    try:
        return export_tflite(graph)
    except GraphError as error:
        note(f"no {TFLITE}: {error}")
        return None


def named_config(name: str, weight_bits: int) -> TrainConfig:
    """How a network is trained that is asked for by its name alone: as in the default space."""
    return TrainConfig(network=name, weight_bits=weight_bits, seed=SEED)


def load_model(name: str, *, weight_bits: int = 8) -> Model:
    """A folder with ``model.npz``, such a file, a ``.tflite`` or ``.onnx`` file, or the name of a network.

    A name is trained on the digits, with weights of ``weight_bits``, unless the store has it.

    Raises
    ------
    SpecError
        If there is no such thing.
    GraphError
        If the file is not a model that Heddle reads; the line says what it is.
    """
    path = Path(name)
    if (path / "model.npz").is_file():
        path = path / "model.npz"
    if path.exists() and not (path.is_dir() and name in NETWORKS):
        from sw.frontend import load_file

        return Model(name=name, graph=load_file(path), path=path)
    if path.suffix or len(path.parts) > 1:
        raise SpecError(f"model {name!r}: no such file or folder")
    if name not in NETWORKS:
        raise SpecError(f"model {name!r}: neither a network ({', '.join(NETWORKS)}) nor a folder with model.npz; "
                        f"make one with `heddle train`")
    path = Training(config=named_config(name, weight_bits), data=DataSource.of("digits")).value(open_store()).path
    return Model(name=name, graph=Graph.load(path), path=path)


def correct_model(model: Model, design: DesignPoint, source: str) -> Model:
    """``model`` with biases corrected for the multiplier of ``design``, and a note that says with what.

    Parameters
    ----------
    source
        ``random`` for the inputs that ``heddle verify`` takes where it has none, an ``.npz`` file with ``inputs``, or a
        data set, of which training inputs are taken.

    Raises
    ------
    HeddleError
        If the inputs cannot be read or are not what the model takes.
    """
    graph = model.graph
    if source == RANDOM:
        inputs, what = choose_inputs(graph, None, INPUTS)[0], "random inputs, those of its task correct better"
    elif Path(source).suffix == ".npz" and ":" not in source:
        inputs, what = choose_inputs(graph, Path(source), INPUTS)[0], f"inputs of {source}"
    else:
        inputs, what = [training_inputs(graph, DataSource.of(source))], f"training inputs of {source}"
    found = corrected(graph, inputs, design)
    if found is graph:
        note(f"{model.name}: nothing to correct, multiplier={design.multiplier!r} is exact")
        return model
    layers = sum(not np.array_equal(before.bias, after.bias)
                 for before, after in zip(graph.layers, found.layers, strict=True))
    note(f"{model.name}: biases of {layers} layers corrected for multiplier={design.multiplier!r} with "
         f"{len(inputs[0])} {what}")
    return replace(model, graph=found, changed=True)
