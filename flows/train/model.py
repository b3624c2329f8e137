"""``MODEL`` of the command line: a network's name, or what Heddle wrote."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import is_zipfile

from flows.run.progress import note
from flows.run.store import open_store
from flows.train.data import DataSource
from flows.train.training import Training
from hw.spec.errors import SpecError
from sw.graph.graph import Graph, GraphError
from sw.models import NETWORKS
from sw.quant.config import TrainConfig

__all__ = ["TFLITE", "Model", "load_model", "named_config", "tflite_of"]

TFLITE = "model.tflite"
SEED = 1    # of a network that is asked for by name; the default space's, so that its trainings are found


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A graph and the file that it came from."""

    name: str
    graph: Graph
    path: Path

    def content(self) -> bytes:
        """Of a ``model.npz`` with this graph."""
        if is_zipfile(self.path):
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
