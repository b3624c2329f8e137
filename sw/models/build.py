"""Networks: those that come with Heddle by name, a user's by ``file.py:factory``.

A network is what a *factory* gives: ``factory(shape, classes, **settings)`` returns a ``torch.nn.Module``
(docs/networks.md). Loads torch only to build one.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sw.models.ir import ModelError, Shape, Traced, torch_shape
from sw.models.processor import ask, one_thread

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NETWORKS", "build", "check_name", "network_source", "traced"]

#: Names of the functions of ``sw/models/networks.py``.
NETWORKS = ("mlp", "dscnn", "cnn", "resnet8", "mobilenet", "cnn1d", "tcn", "strided", "dense", "autoencoder")
MOST_NODES = 1000          # of a network; more is one that never ends
MOST_WEIGHTS = 1 << 24     # of a network; no memory of the boards holds as many
BUILT_IN = Path(__file__).with_name("networks.py")


def _file_of(name: str) -> tuple[Path, str] | None:
    """File and function of a user's network; None for a name."""
    path, colon, function = name.rpartition(":")
    return (Path(path), function) if colon else None


def check_name(name: str) -> None:
    """Raises ModelError where there is no such network; of a file it reads nothing."""
    own = _file_of(name)
    if own is None and name not in NETWORKS:
        written = f"; if it is a file, write {name}:FUNCTION" if name.endswith(".py") else ", or write file.py:function"
        raise ModelError(f"network {name!r}: unknown; choose {', '.join(NETWORKS)}{written}")
    if own is not None and not own[0].is_file():
        raise ModelError(f"network {name!r}: there is no file {own[0]}; write file.py:function")


def network_source(name: str) -> Path:
    """The file in which the network's factory is written: with what it imports, all that decides its layers.

    Raises
    ------
    ModelError
        If there is no such network.

    >>> network_source("mlp").name
    'networks.py'
    """
    check_name(name)
    own = _file_of(name)
    return own[0].resolve() if own else BUILT_IN


def build(name: str, image: tuple[int, int, int], classes: int, *, width: float = 1.0,
          settings: Mapping[str, Any] | None = None, seed: int = 0) -> Traced:
    """The network for inputs of a height, a width and channels, traced, folded and checked.

    The factory gets ``settings``, and ``width`` where it takes one. ``seed`` is that of torch's random numbers, from
    which its weights start.

    Raises
    ------
    ModelError
        If there is no such network, or it cannot be trained on such inputs and classes, or computes what the integer
        graph does not; the message names the network, the module and its line.

    >>> small = build("mlp", (8, 8, 1), 10, width=0.5)
    >>> [node.op for node in small.nodes], small.output.shape, small.macs
    (['input', 'move', 'linear', 'linear', 'linear'], (10,), 1440)
    """
    ask()
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = _made(name, torch_shape(image), classes, width, dict(settings or {}))
    found = traced(name, module, image)
    _check(name, found, classes)
    return found


def traced(name: str, module: "nn.Module", image: tuple[int, int, int]) -> Traced:
    """What a module computes of inputs of a height, a width and channels, whatever it gives.

    Raises
    ------
    ModelError
        If the integer graph does not compute it; the message names ``name``, the module and its line.
    """
    from sw.models.fold import fold
    from sw.models.operators import OPERATORS
    from sw.models.trace import record

    with one_thread():
        nodes, tensors = record(name, module, torch_shape(image), OPERATORS)
    nodes = fold(nodes)
    used = {tensor for node in nodes for tensor in node.tensors.values()}
    return Traced(nodes=tuple(nodes), tensors={tensor: value.detach().clone().requires_grad_(value.requires_grad)
                                                for tensor, value in tensors.items() if tensor in used})


def _made(name: str, shape: Shape, classes: int, width: float, settings: dict[str, Any]) -> "nn.Module":
    from torch import nn

    from sw.models.trace import placed

    if not 0 < width <= 16:
        raise ModelError(f"width={width}: the width multiplier is above 0 and at most 16")
    with _factory(name) as factory:
        settings = _with_width(name, factory, width, settings)
        try:
            with placed():
                module = factory(shape, classes, **settings)
        except (Exception, SystemExit) as error:   # whatever a user's function may raise is one line that says where
            text = str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
            called = ", ".join([f"{shape}, {classes}", *(f"{key}={value!r}" for key, value in settings.items())])
            raise ModelError(f"network {name!r}{_place(error, network_source(name))}: {' '.join(text.split())}; it is "
                             f"called with {called}") from error
    if not isinstance(module, nn.Module):
        raise ModelError(f"network {name!r}: its function gives {type(module).__name__}; return a torch.nn.Module")
    return module


def _with_width(name: str, factory: Callable[..., Any], width: float, settings: dict[str, Any]) -> dict[str, Any]:
    """``settings`` with the width, if the factory takes one; those that it does not take are an error."""
    parameters = inspect.signature(factory).parameters
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    known = [key for key, parameter in parameters.items()
             if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)][2:]
    if "width" in known or anything:
        settings = {"width": width, **settings}
    elif width != 1:
        raise ModelError(f"network {name!r}, width={width:g}: its function takes no width; write (shape, classes, "
                         f"width=1.0), or leave --width out")
    for key in settings:
        if key not in known and not anything:
            raise ModelError(f"network {name!r}: its function takes no {key}; it takes "
                             f"{', '.join(known) or 'shape and classes only'}")
    return settings


@contextmanager
def _factory(name: str) -> "Iterator[Callable[..., Any]]":
    """The function that makes a network; the folder of a user's file is where it imports from meanwhile."""
    check_name(name)
    own = _file_of(name)
    if own is None:
        from sw.models import networks

        yield getattr(networks, name)
        return
    path, function = own
    before = list(sys.path)
    sys.path.insert(0, str(path.resolve().parent))
    try:
        module = _executed(name, path)
        found = getattr(module, function, None)
        if not callable(found):
            there = [key for key, value in vars(module).items()
                     if callable(value) and getattr(value, "__module__", "") == module.__name__]
            raise ModelError(f"network {name!r}: {path.name} has no function {function!r}; it has "
                             f"{', '.join(there) or 'none'}")
        yield found
    finally:
        sys.path[:] = before


def _executed(name: str, path: Path) -> Any:
    """A user's file, run as a module of its own; again each time, since it may have changed."""
    spec = spec_from_file_location(f"heddle_network_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ModelError(f"network {name!r}: {path} is no Python file; write file.py:function")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module     # dataclasses look there for themselves
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        line = f", line {error.lineno} of {path.name}" if isinstance(error, SyntaxError) else _place(error, path)
        raise ModelError(f"network {name!r}{line}: {type(error).__name__}: {' '.join(str(error).split())}") from error
    return module


def _place(error: BaseException, source: Path) -> str:
    """Where in a file an error came up."""
    import traceback

    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)
             if Path(frame.filename).resolve() == source.resolve()]
    return f", line {lines[-1]} of {source.name}" if lines else ""


def _check(name: str, made: Traced, classes: int) -> None:
    last = made.output
    if len(made.nodes) > MOST_NODES:
        raise ModelError(f"network {name!r}: {len(made.nodes)} operators exceed {MOST_NODES}; use fewer layers")
    if made.weights > MOST_WEIGHTS:
        raise ModelError(f"network {name!r}: {made.weights} weights exceed {MOST_WEIGHTS}; use fewer channels, a "
                         f"smaller kernel or width, or pool before")
    if not made.weights:
        raise ModelError(f"network {name!r}: no layer has weights; nothing can be trained")
    where = f"network {name!r}, {last.where or last.name}"
    if last.shape != (classes,):
        shown = ", ".join(map(str, ("N", *last.shape)))
        raise ModelError(f"{where}: the last layer gives ({shown}), but {classes} values are wanted, one a class or "
                         f"one for each of an input that is given back; return (N, {classes}), by a Linear layer or a "
                         f"mean over height and width")
    if (last.low, last.high) != (-inf, inf) or last.function in ("relu", "relu6", "clamp"):
        raise ModelError(f"{where}: a ReLU stands behind the last layer, which cuts off what speaks against a class; "
                         f"leave it out")
