"""Data from a user's own function: ``FILE.py:NAME``."""

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import numpy as np

from sw.data.arrays import ArrayOptions, from_arrays
from sw.data.dataset import Dataset
from sw.data.errors import DataError
from sw.data.options import convert, known, parse_options

__all__ = ["load_function"]

FORMS = ("give x and y, a pair of such pairs (train, test), a dictionary with x_train, y_train, x_test, y_test, or a "
         "heddle Dataset")


def load_function(source: str, given: Mapping[str, str]) -> Dataset:
    """What the function of ``FILE.py:NAME`` returns; options that it has as parameters go to it.

    It returns ``(x, y)``, ``((x_train, y_train), (x_test, y_test))``, a mapping with the names that an ``.npz`` file
    has, or a :class:`Dataset`. Values of its parameters have the type of their annotation, else of their default.

    Raises
    ------
    DataError
        If there is no such file or function, it fails, or returns something else.
    """
    path, _, name = source.rpartition(":")
    with _sources_of(Path(path)):
        function = _function(path, name)
        own, rest = _parameters(function, given, source)
        options = parse_options(ArrayOptions, rest, source)
        found = _called(function, own, source, path)
    if isinstance(found, Dataset):
        return found
    return from_arrays(name, _arrays(found, source), options, where=source)


@contextmanager
def _sources_of(path: Path) -> Iterator[None]:
    """The folder of the file is where it imports from."""
    if not path.is_file():
        raise DataError(f"data {str(path)!r}: no such file; give FILE.py:FUNCTION")
    before = sys.path[:]
    sys.path.insert(0, str(path.resolve().parent))
    try:
        yield
    finally:
        sys.path[:] = before


def _function(path: str, name: str) -> Callable[..., Any]:
    module = _module(path)
    function = getattr(module, name, None)
    if not callable(function):
        there = [each for each, value in vars(module).items()
                 if inspect.isfunction(value) and value.__module__ == module.__name__]
        raise DataError(f"{path}: no function {name!r}; there is {', '.join(there) or 'none'}")
    return function


def _module(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"heddle_user_{Path(path).stem}", path)
    if spec is None or spec.loader is None:
        raise DataError(f"{path}: is no Python file; give FILE.py:FUNCTION")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module         # dataclasses of the file look for it there
    try:
        spec.loader.exec_module(module)
    except Exception as error:              # whatever a user's file raises is his to see, in one line
        raise DataError(_said(error, path, path)) from error
    return module


def _parameters(function: Callable[..., Any], given: Mapping[str, str],
                source: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Options for the function, by the types of its parameters, and those for what is made of its arrays."""
    parameters = inspect.signature(function).parameters
    hints = get_type_hints(function)
    own = {}
    for name, text in given.items():
        if name in parameters:
            default = parameters[name].default
            plain = type(default) if isinstance(default, bool | int | float | str) else str
            own[name] = convert(hints.get(name, plain), text, name)
    rest = {name: text for name, text in given.items() if name not in own}
    common = {field.name for field in fields(ArrayOptions)}
    if unknown := [name for name in rest if name not in common]:
        raise DataError(f"data {source!r}: no option {unknown[0]!r}; there are {', '.join([*parameters, ''])}"
                        f"{known([ArrayOptions])}")
    if missing := [name for name, each in parameters.items() if name not in own and each.default is each.empty
                   and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]:
        raise DataError(f"data {source!r}: the function wants {', '.join(missing)}; add {missing[0]}=VALUE")
    return own, rest


def _called(function: Callable[..., Any], own: Mapping[str, Any], source: str, path: str) -> Any:
    try:
        return function(**own)
    except DataError:
        raise
    except Exception as error:              # as above
        raise DataError(_said(error, source, path)) from error


def _said(error: Exception, source: str, path: str) -> str:
    """The error with the user's line that it comes from."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)
             if Path(frame.filename).resolve() == Path(path).resolve()]
    place = f" (line {lines[-1]})" if lines else ""
    return f"{source}{place}: {type(error).__name__}: {' '.join(str(error).split()) or 'no more is said'}"


def _arrays(found: Any, source: str) -> Mapping[str, np.ndarray]:
    if isinstance(found, Mapping):
        return {str(name): np.asarray(value) for name, value in found.items()}
    if isinstance(found, tuple | list) and len(found) == 2:
        pairs = [isinstance(each, tuple | list) and len(each) == 2 for each in found]
        if all(pairs) and not any(isinstance(part, int | float | str) for each in found for part in each):
            (x_train, y_train), (x_test, y_test) = found
            return {"x_train": np.asarray(x_train), "y_train": np.asarray(y_train), "x_test": np.asarray(x_test),
                    "y_test": np.asarray(y_test)}
        if not any(pairs):
            return {"x": np.asarray(found[0]), "y": np.asarray(found[1])}
    raise DataError(f"{source}: returned {type(found).__name__}; {FORMS}")
