"""A step: how every result is made. Its class says what the result is, its fields what decides it.

    @dataclass(frozen=True, kw_only=True)
    class Accuracy(Step[float]):
        kind = "accuracy"
        model: Path
        split: str

        def make(self, folder: Path, store: Store) -> None: ...   # fills the folder
        def load(self, folder: Path) -> float: ...                # reads it back as a typed value

    Accuracy(model=path, split="test").value(store)

The key is the digest of the fields and of the import closure of the module that the class is in
(:mod:`flows.run.closure`); nobody lists sources. A step's module therefore imports what makes its result, and no more.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from flows.run.closure import closure
from flows.run.store import Store, StoreError

__all__ = ["Keyed", "Step", "canonical", "keyed"]

Value = TypeVar("Value")


def keyed(by: Callable[[Any], Any] | None, **options: Any) -> Any:
    """A field whose value counts in the key as ``by(value)``; not at all with None, as names for people do.

    ``options`` are those of ``dataclasses.field``.
    """
    return field(metadata={"by": by}, **options)


@dataclass(frozen=True, kw_only=True)
class Keyed:
    """What has a key: its kind, its fields, and the code of the module that its class is in."""

    kind: ClassVar[str]

    def code(self) -> tuple[Path, ...]:
        """More files whose closures decide the result: a user's own network, for example."""
        return ()

    def key(self) -> dict[str, Any]:
        """Everything that the result depends on, JSON-able."""
        return {"inputs": _inputs(self), **closure(type(self).__module__, *self.code()).record()}

    @property
    def digest(self) -> str:
        """The name of the result in the store, 40 hexadecimal digits."""
        return Store.digest(self.kind, self.key())


@dataclass(frozen=True, kw_only=True)
class Step(Keyed, Generic[Value]):
    """One result of the store. A step may be a field of another, which then depends on all that it depends on."""

    @abstractmethod
    def make(self, folder: Path, store: Store) -> None:
        """Fill an empty folder; results of other steps come from ``store``. Raises what the work raises."""

    @abstractmethod
    def load(self, folder: Path) -> Value:
        """The typed value of a folder that :meth:`make` filled; its files stay where they are."""

    def value(self, store: Store) -> Value:
        """The typed value, made unless the store has it. Raises as :meth:`Store.get` does."""
        return self.load(store.get(self.kind, self.key(), lambda folder: self.make(folder, store)))


def _inputs(thing: Any) -> dict[str, Any]:
    found = {}
    for item in fields(thing):
        by = item.metadata.get("by", canonical)
        if by is not None:
            found[item.name] = canonical(by(getattr(thing, item.name)))
    return found


def canonical(value: Any) -> Any:
    """A value as a key holds it: plain data as it is, files and arrays by digests of their contents.

    A dataclass counts by its ``digest`` where it has one, else by its fields; another object must have a ``digest``.

    Raises
    ------
    StoreError
        If there is no telling what a value depends on.

    >>> canonical({"seed": 1, "sizes": (2, 3)})
    {'seed': 1, 'sizes': [2, 3]}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return {"bytes": sha256(value).hexdigest()}
    if isinstance(value, Path):
        return {"file": value.name, "content": _content(value)}
    if isinstance(value, Mapping):
        return {str(name): canonical(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [canonical(item) for item in value]
    if isinstance(digest := getattr(value, "digest", None), str):
        return {"digest": digest}
    if is_dataclass(value):
        return _inputs(value)
    if hasattr(value, "tobytes") and hasattr(value, "dtype"):
        return {"array": sha256(value.tobytes()).hexdigest(), "type": str(value.dtype), "shape": list(value.shape)}
    raise StoreError(f"key: {type(value).__name__} cannot be an input of a step; give it a property 'digest', or make "
                     f"it plain data, a dataclass, a path or an array")


def _content(path: Path) -> str:
    if path.is_dir():
        raise StoreError(f"key: {path} is a folder; name its files, or the step that made it")
    return sha256(path.read_bytes()).hexdigest()
