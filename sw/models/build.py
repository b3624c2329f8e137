"""Networks by name, as sequences of layers, so that one number scales their width."""

import inspect
import math
import re
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from sw.models.layers import LayerSpec, ModelError, Shape
from sw.models.shapes import kernel_of, output_of

__all__ = ["NETWORKS", "Network", "build", "network", "network_source"]

MULTIPLE = 4               # scaled channels are a multiple of it: the array's columns come in powers of two
MOST_LAYERS = 1000         # of a network; more is a function that never ends
MOST_WEIGHTS = 1 << 24     # of a network; no memory of the boards holds as many

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")   # part of folder names

Network = Callable[[Shape, int], Iterable[LayerSpec]]
NETWORKS: dict[str, Network] = {}


def network(name: str) -> Callable[[Network], Network]:
    """Registers a function ``(input shape, classes) -> layers at width 1`` under ``name``.

    Raises
    ------
    ModelError
        If the name is taken, or no part of a folder's name.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ModelError(f"network {name!r}: a name has letters, digits, '_', '-' and '.'; write @network(\"tiny\")")

    def register(make: Network) -> Network:
        if name in NETWORKS:
            raise ModelError(f"network {name!r}: registered twice; choose another name")
        NETWORKS[name] = make
        return make
    return register


def _registered(name: str) -> Network:
    if name not in NETWORKS:
        raise ModelError(f"network {name!r}: unknown; choose {' or '.join(NETWORKS)}")
    return NETWORKS[name]


def network_source(name: str) -> Path:
    """The file in which the network's function is written: with what it imports, all that decides its layers.

    Raises
    ------
    ModelError
        If there is no such network, or its function is in no file.

    >>> network_source("mlp").name
    'networks.py'
    """
    make = _registered(name)
    if (source := _file(make)) is None:
        raise ModelError(f"network {name!r}: {make!r} is not in a file, so its results could not be told from those of "
                         f"another; write it in one")
    return source


def _file(make: object) -> Path | None:
    while isinstance(make, partial):
        make = make.func
    make = inspect.unwrap(make) if callable(make) else make
    code = make if inspect.isroutine(make) or inspect.isclass(make) else type(make)
    try:
        found = Path(inspect.getsourcefile(code) or "")
    except TypeError:   # built in
        return None
    return found.resolve() if found.is_file() else None


def build(name: str, shape: Shape, classes: int, width: float = 1.0) -> tuple[LayerSpec, ...]:
    """The layers of a network with ``width`` times its channels, in multiples of 4.

    Raises
    ------
    ModelError
        If there is no such network, the width is not above 0, or the network cannot be trained on such inputs and
        classes; the message names the network, the layer and the rule.

    >>> [layer.channels for layer in build("mlp", (8, 8, 1), 10, width=0.5)]
    [16, 16, 10]
    """
    make = _registered(name)
    if not 0 < width <= 16:
        raise ModelError(f"width={width}: the width multiplier is above 0 and at most 16")
    layers = tuple(_scaled(f"network {name!r}, layer {index}, width {width:g}", layer, width)
                   for index, layer in enumerate(_made(name, make, shape, classes)))
    _check(name, layers, shape, classes)
    return layers


def _made(name: str, make: Network, shape: Shape, classes: int) -> tuple[LayerSpec, ...]:
    """What the function gives, which may be anybody's."""
    try:
        given = make(shape, classes)
        layers = () if given is None else tuple(islice(given, MOST_LAYERS + 1))
    except (Exception, SystemExit) as error:   # whatever a user's function may raise is one line that says where
        text = str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
        raise ModelError(f"network {name!r}{_place(error, make)}: {' '.join(text.split())}") from error
    if given is None or len(layers) > MOST_LAYERS:
        what = "nothing" if given is None else f"more than {MOST_LAYERS} layers"
        raise ModelError(f"network {name!r}: its function gives {what}; return a tuple of LayerSpec(op=...)")
    for index, layer in enumerate(layers):
        if not isinstance(layer, LayerSpec):
            raise ModelError(f"network {name!r}, layer {index}: {layer!r} is no layer; make it with LayerSpec(op=...)")
    return layers


def _scaled(where: str, layer: LayerSpec, width: float) -> LayerSpec:
    if not (layer.channels and layer.scaled):
        return layer
    try:
        return replace(layer, channels=max(MULTIPLE, round(layer.channels * width / MULTIPLE) * MULTIPLE))
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from error


def _place(error: BaseException, make: Network) -> str:
    """Where in the file of ``make`` the error came up."""
    source = _file(make)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)
             if source and Path(frame.filename).resolve() == source]
    return f", layer in line {lines[-1]} of {source.name}" if source and lines else ""


def _check(name: str, layers: Sequence[LayerSpec], shape: Shape, classes: int) -> None:
    if not layers:
        raise ModelError(f"network {name!r}: no layers; a network ends in a dense layer with channels=classes and "
                         f"scaled=False")
    taken, weights = shape, 0
    for index, layer in enumerate(layers):
        try:
            made = output_of(layer, taken)
        except ModelError as error:
            raise ModelError(f"network {name!r}, layer {index}: {error}") from error
        weights += _weights(layer, taken, made)
        if weights > MOST_WEIGHTS:
            raise ModelError(f"network {name!r}, layer {index} ({layer.op}): {weights} weights up to here exceed "
                             f"{MOST_WEIGHTS}; use fewer channels, a smaller kernel or width, or pool before")
        taken = made
    if not weights:
        raise ModelError(f"network {name!r}, layer {len(layers) - 1} ({layers[-1].op}): no layer has weights; nothing "
                         f"can be trained")
    _check_end(f"network {name!r}, layer {len(layers) - 1} ({layers[-1].op})", layers[-1], taken, classes)


def _check_end(where: str, last: LayerSpec, given: Shape, classes: int) -> None:
    if given[:2] != (1, 1):
        raise ModelError(f"{where}: the last layer gives an image of {'x'.join(map(str, given))}; a network ends in "
                         f"one output for each of the {classes} classes, so put an avgpool with kernel=(0, 0) or a "
                         f"dense layer behind it")
    if given[2] != classes:
        scaled = " and scaled=False, so that the width does not change it" if last.channels and last.scaled else ""
        raise ModelError(f"{where}: the last layer gives {given[2]} outputs, but there are {classes} classes; write "
                         f"channels=classes{scaled}")
    if last.relu and last.op != "avgpool":
        raise ModelError(f"{where}: the last layer has relu=True, which cuts off what speaks against a class; write "
                         f"relu=False")


def _weights(layer: LayerSpec, taken: Shape, made: Shape) -> int:
    if layer.op == "avgpool":
        return 0
    if layer.op == "dense":
        return math.prod(taken) * made[2]
    return math.prod(kernel_of(layer, taken)) * made[2] * (taken[2] if layer.op == "conv" else 1)
