"""From a ``torch.nn.Module`` to nodes: it runs once, and what it asks of torch is written down.

``torch.overrides.TorchFunctionMode`` sees each function of torch with its real arguments, so shapes are whole numbers
and decisions on them just happen; ``torch.export``, which can do that too, takes 4 s before its first network, and
``torch.fx``, which takes as little time as this, decides nothing on shapes. Each node knows the module that asked for
it and the line of its source.

A new function is one function of ``sw.models.operators``.
"""

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_module_registration_hook
from torch.overrides import TorchFunctionMode, resolve_name

from sw.models.ir import ModelError, Node, Shape

__all__ = ["BATCH", "Recorder", "Refused", "placed", "record"]

BATCH = 2        # inputs that the module runs on
HERE, TORCH = (f"{Path(file).parent}{os.sep}" for file in (__file__, torch.__file__))
PLACE = "_heddle_made_at"
#: What may be asked of an activation without computing with it.
QUESTIONS = {"__get__", "dim", "size", "numel", "stride", "__len__", "ndimension", "is_contiguous", "is_floating_point",
             "nelement", "element_size", "storage_offset", "get_device", "type", "is_complex", "__hash__",
             "__format__", "__repr__", "is_same_size", "data_ptr", "untyped_storage"}
#: Of these the answer is the activation itself.
SAME = {"contiguous", "clone", "float", "to", "cpu", "requires_grad_", "__deepcopy__", "type_as", "identity"}


class Refused(Exception):
    """What a function of ``sw.models.operators`` raises: what is wrong, without the place."""


class Recorder(TorchFunctionMode):
    """Writes down what a module computes of one input."""

    def __init__(self, name: str, module: nn.Module, handlers: Mapping[str, Callable[..., Any]]):
        super().__init__()
        self.network, self.module, self.handlers = name, module, handlers
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = {**dict(module.named_buffers()), **dict(module.named_parameters())}
        self.numbers: dict[int, int] = {}              # of nodes, by the identity of their tensors
        self.kept: list[Any] = []                      # so that no identity is used again
        self.stack: list[tuple[str, nn.Module]] = []
        self.names = {id(tensor): name for name, tensor in self.tensors.items()}
        self.derived: set[int] = set()                 # tensors computed from parameters
        self.function = ""

    # what operators ask

    def number(self, value: Any) -> int | None:
        """The node that a tensor is; None for one that does not depend on the input."""
        return self.numbers.get(id(value)) if isinstance(value, Tensor) else None

    def node(self, op: str, reads: list[int], shape: Shape, **fields: Any) -> int:
        """Write down a node that gives ``shape``."""
        return self._append(Node(op=op, name=self._name(), where=self.where(), reads=tuple(reads), shape=tuple(shape),
                                 **fields))

    def shape(self, number: int) -> Shape:
        return self.nodes[number].shape

    def activation(self, value: Any) -> int:
        """The node of a tensor that depends on the input."""
        number = self.number(value)
        if number is None:
            raise Refused("an operand does not depend on the network's input; add it, or multiply by it, instead")
        return number

    def parameter(self, value: Any) -> str:
        """The name of a tensor that is the module's own."""
        if id(value) in self.names:
            return self.names[id(value)]
        if self.number(value) is not None:
            raise Refused("its weights depend on the network's input; give it a parameter")
        same = [name for name, tensor in self.tensors.items()
                if tensor.data_ptr() == value.data_ptr() and tensor.numel() == value.numel() and value.is_contiguous()]
        if not same and (id(value) in self.derived or isinstance(value, nn.Parameter)):
            raise Refused("its weights are computed from parameters, which would not be trained; give it a parameter "
                          "as it is, registered in a module")
        name = f"{same[0]}.as{'x'.join(map(str, value.shape))}" if same else f"constant{len(self.tensors)}"
        self.names[id(value)] = name
        self.kept.append(value)
        self.tensors[name] = value.detach().requires_grad_(bool(same) and self.tensors[same[0]].requires_grad)
        return name

    def where(self) -> str:
        """Module, and line of the innermost source that is neither torch's nor this package's machinery."""
        name, module = self.stack[-1] if self.stack else ("", self.module)
        place = _line() or made_at(module)
        return f"{name + ' ' if name else ''}({type(module).__name__}){f', {place}' if place else ''}"

    def refusal(self, problem: str) -> ModelError:
        return ModelError(f"network {self.network!r}, {self.where()}: {' '.join(problem.split())}")

    # what torch asks

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(function, "__name__", str(function))
        read = [value for value in _tensors((args, kwargs)) if self.number(value) is not None]
        before = {id(value): value._version for value in read}
        result = function(*args, **kwargs)
        if not read:
            self._derive(name, args, kwargs, result)
            return result
        if name == "data" or name in QUESTIONS and not list(_tensors(result)):
            return result
        if name in SAME and isinstance(result, Tensor):
            return self._alias(read[0], result)
        if name not in self.handlers:
            raise self.refusal(self._unknown(function, name))
        self.function = name.strip("_")
        try:
            given = self.handlers[name](self, *args, **kwargs)
        except Refused as error:
            raise self.refusal(f"{self.function}: {error}") from error
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                raise
            raise self.refusal(f"{self.function}: {str(error).partition(') ')[2]}; leave it out") from error
        if any(result is value for value in read) and not self._changed(read, before):
            result = result.clone()       # of what it was given nothing else may be said
        self._bind(result, given, read, before)
        return result

    @staticmethod
    def _changed(read: list[Tensor], before: Mapping[int, int]) -> list[Tensor]:
        return [value for value in read if value._version != before[id(value)]]

    @staticmethod
    def _unknown(function: Any, name: str) -> str:
        if name in ("__bool__", "item", "__float__", "__int__", "__index__", "tolist", "numpy", "nonzero", "__array__"):
            return (f"{name.strip('_')}: a decision or number that depends on the values of the input; an integer "
                    f"network computes the same for every input")
        shown = resolve_name(function) or name
        if name in ("softmax", "log_softmax"):
            return f"{shown}: a network gives logits, and its training knows the rest; leave it out"
        return f"{shown}: no operator of the integer graph computes it; docs/networks.md lists those that there are"

    def _bind(self, result: Any, given: int | list[int], read: list[Tensor], before: Mapping[int, int]) -> None:
        """The tensors that a function gave are the nodes that its operator wrote down."""
        for value in self._changed(read, before):
            shared = [other for other in self.kept if isinstance(other, Tensor) and other is not value
                      and other.untyped_storage().data_ptr() == value.untyped_storage().data_ptr()]
            if shared:
                raise self.refusal(f"{self.function}: changes in place what another tensor shares; write it without "
                                   f"the underscore, or without inplace=True")
        results = [result] if isinstance(result, Tensor) else list(_tensors(result))
        numbers = [given] if isinstance(given, int) else given
        if len(results) != len(numbers):
            raise self.refusal(f"{self.function}: gives {len(results)} tensors where {len(numbers)} are known; "
                               f"docs/networks.md lists what there is")
        for value, number in zip(results, numbers, strict=True):
            if tuple(value.shape) != (BATCH, *self.nodes[number].shape):
                raise self.refusal(f"{self.function}: gives {tuple(value.shape)} of a batch of {BATCH}; the first axis "
                                   f"is the batch, and stays as it is")
            self._know(value, number)

    def _know(self, value: Tensor, number: int) -> None:
        if id(value) not in self.numbers:
            self.kept.append(value)
        self.numbers[id(value)] = number

    def _alias(self, taken: Tensor, result: Tensor) -> Tensor:
        if result.dtype != taken.dtype:
            raise self.refusal(f"to: gives {result.dtype}; activations stay {taken.dtype} until they are quantized")
        self._know(result, self.numbers[id(taken)])
        return result

    def _derive(self, name: str, args: Any, kwargs: Any, result: Any) -> None:
        """What is computed from parameters alone."""
        for value in _tensors((args, kwargs)):
            if isinstance(value, nn.Parameter) or id(value) in self.derived:
                for made in _tensors(result):
                    if id(made) not in self.names:
                        self.derived.add(id(made))
                        self.kept.append(made)

    def _name(self) -> str:
        """Of the module, or of the function in it; another one where it is taken."""
        module = self.stack[-1][0] if self.stack else ""
        inner = not self.stack or any(True for _ in self.stack[-1][1].children())
        base = ".".join(filter(None, (module, self.function if inner else ""))) or self.function or "input"
        taken = {node.name for node in self.nodes}
        return next(name for name in chain([base], (f"{base}{again}" for again in count(2))) if name not in taken)

    def _append(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1


def _foreign(path: str) -> bool:
    """Whether a source is neither torch's nor machinery of ours."""
    return not path.startswith((TORCH, "<frozen")) and (not path.startswith(HERE) or path.endswith("networks.py"))


def _line() -> str:
    """Of the innermost source of the module's own that runs."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not record.__code__:
        if _foreign(frame.f_code.co_filename):
            return f"line {frame.f_lineno} of {Path(frame.f_code.co_filename).name}"
        frame = frame.f_back
    return ""


def made_at(module: nn.Module) -> str:
    """The line that put a module into another, while :func:`placed` watched."""
    return str(getattr(module, PLACE, ""))


@contextmanager
def placed() -> Iterator[None]:
    """Modules that are put into others meanwhile know the line of the source that did it."""
    def note(module: nn.Module, name: str, part: nn.Module | None) -> None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and not _foreign(frame.f_code.co_filename):
            frame = frame.f_back
        if part is not None and frame is not None and not hasattr(part, PLACE):
            object.__setattr__(part, PLACE, f"line {frame.f_lineno} of {Path(frame.f_code.co_filename).name}")
    hook = register_module_module_registration_hook(note)
    try:
        yield
    finally:
        hook.remove()


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


@contextmanager
def _modules(recorder: Recorder, module: nn.Module) -> Iterator[None]:
    """Follow which module runs."""
    hooks = []
    for name, part in module.named_modules():
        def enter(part: nn.Module, args: Any, name: str = name) -> None:
            recorder.stack.append((name, part))

        def leave(part: nn.Module, args: Any, given: Any) -> None:
            recorder.stack.pop()
        hooks += [part.register_forward_pre_hook(enter), part.register_forward_hook(leave)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def record(name: str, module: nn.Module, shape: Shape, handlers: Mapping[str, Callable[..., Any]],
           ) -> tuple[list[Node], dict[str, Tensor]]:
    """The nodes of ``module`` in evaluation mode, the one that it gives last, and its tensors.

    Raises
    ------
    ModelError
        If it computes what the integer graph does not; the line names module and source line.
    """
    recorder = Recorder(name, module, handlers)
    value = torch.zeros(BATCH, *shape)
    recorder._know(value, recorder._append(Node(op="input", name="input", shape=shape)))
    training = module.training
    module.eval()
    try:
        with warnings.catch_warnings(), torch.no_grad(), _modules(recorder, module), recorder:
            warnings.simplefilter("ignore")      # of what torch finds slow, which never runs
            result = module(value)
    except ModelError:
        raise
    except (Exception, SystemExit) as error:      # whatever a user's module may raise is one line that says where
        part = recorder.stack[-1][1] if recorder.stack else module
        place, line = recorder.where().partition(", line")[0], _raised(error) or made_at(part)
        where = f"{place}{f', {line}' if line else ''}"
        raise ModelError(f"network {name!r}, {where}: {type(error).__name__}: {' '.join(str(error).split())}; it gets "
                         f"inputs of {(BATCH, *shape)}") from error
    finally:
        module.train(training)
    number = recorder.number(result)
    if number is None:
        given = f"a {type(result).__name__}" if not isinstance(result, Tensor) else "what does not depend on its input"
        raise ModelError(f"network {name!r}: forward gives {given}; return one tensor, (N, classes)")
    return _ending_in(recorder.nodes, number), recorder.tensors


def _raised(error: BaseException) -> str:
    """The innermost line of a source that is neither torch's nor ours."""
    lines = [f"line {lineno} of {Path(frame.f_code.co_filename).name}"
             for frame, lineno in traceback.walk_tb(error.__traceback__) if _foreign(frame.f_code.co_filename)]
    return lines[-1] if lines else ""


def _ending_in(nodes: list[Node], last: int) -> list[Node]:
    """Without what ``last`` does not need; it comes last, and the input first."""
    needed, waiting = {0}, [last]
    while waiting:
        number = waiting.pop()
        if number not in needed or number == last:
            needed.add(number)
            waiting += [read for read in nodes[number].reads if read not in needed]
    order = sorted(needed - {last}) + [last]
    places = {number: place for place, number in enumerate(order)}
    return [replace(nodes[number], reads=tuple(places[read] for read in nodes[number].reads)) for number in order]
