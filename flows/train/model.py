"""``MODEL`` of the command line: a network's name, or what Heddle wrote."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from flows.run.store import open_store
from flows.search.space import load_space
from flows.train.feedback import settings
from flows.train.training import train_stored
from hw.spec.errors import SpecError
from sw.graph.graph import Graph
from sw.models import NETWORKS

__all__ = ["Model", "load_model"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A graph and the file that it came from."""

    name: str
    graph: Graph
    path: Path

    def content(self) -> bytes:
        """Of a ``model.npz`` with this graph."""
        if self.path.suffix == ".npz":
            return self.path.read_bytes()
        with TemporaryDirectory() as folder:
            copy = Path(folder) / "model.npz"
            self.graph.save(copy)
            return copy.read_bytes()


def load_model(name: str, *, weight_bits: int = 8) -> Model:
    """A folder with ``model.npz``, such a file, a ``.tflite`` file, or the name of a network.

    A name is trained on the digits, with weights of ``weight_bits``, unless the store has it.

    Raises
    ------
    SpecError
        If there is no such thing.
    GraphError
        If the file is not a model.
    """
    path = Path(name)
    if path.is_dir():
        path = path / "model.npz"
    if path.is_file():
        if path.suffix == ".tflite":
            from sw.frontend import load_tflite

            return Model(name=name, graph=load_tflite(path), path=path)
        if path.suffix == ".onnx":
            raise SpecError(f"model {name!r}: reading .onnx files is not built yet; give a .tflite file, a network's "
                            f"name ({', '.join(NETWORKS)}) or a folder that Heddle wrote")
        return Model(name=name, graph=Graph.load(path), path=path)
    if path.suffix in (".tflite", ".npz"):
        raise SpecError(f"model {name!r}: no such file")
    if name not in NETWORKS:
        raise SpecError(f"model {name!r}: neither a network ({', '.join(NETWORKS)}) nor a folder with model.npz; "
                        f"make one with `heddle train`")
    from sw.data import load_dataset

    store = open_store()
    path = train_stored(store, settings(load_space(), network=name, width=1.0, weight_bits=weight_bits),
                        load_dataset("digits")) / "model.npz"
    return Model(name=name, graph=Graph.load(path), path=path)
