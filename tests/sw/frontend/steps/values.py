"""Operators on values: of two tensors, functions, rows, means."""

import numpy as np

from tests.sw.frontend.model import ACTIVATIONS, step


def _other(model, source, *, scale=None):
    """A second operand for ``source``: the same, a constant that broadcasts, or another input."""
    shape, fields = model.shape(source), {} if scale is None else {"scale": scale}
    kind = model.pick("constant", "scalar", "channels", "input", "self", "broadcast")
    if kind == "self":
        return source
    if kind == "input":
        return model.second(shape, **fields)
    if kind == "broadcast":
        shape = tuple(model.pick(1, length) for length in shape)
    return model.constant({"scalar": (), "channels": shape[-1:]}.get(kind, shape), **fields)


def _both(model, source):
    other = _other(model, source)
    return [source, other] if model.rng.random() < 0.5 else [other, source]


def _binary(name, options, scaled, activations=ACTIVATIONS):
    @step(name)
    def binary(model, source):
        operands = _both(model, source)
        reals = [model.real(operand) for operand in operands]
        scale = (reals[0] * reals[1] * 64 if scaled else max(reals) * 1.5) * model.rng.uniform(0.3, 3)
        return model.add(name, operands, model.tensor(model.shape(source), scale=float(np.float32(scale))), options,
                         **({"FusedActivationFunction": model.pick(*activations)} if activations else {}))
    return binary


_binary("ADD", "AddOptions", scaled=False)
_binary("SUB", "SubOptions", scaled=False)
_binary("MUL", "MulOptions", scaled=True)


@step("PRELU")
def _prelu(model, source):
    shape = model.shape(source)
    alpha = model.constant(model.pick(shape[-1:], (*(1,) * (len(shape) - 1), shape[-1]), shape))
    scale = model.real(source) * model.rng.uniform(0.5, 4)
    return model.add("PRELU", [source, alpha], model.tensor(shape, scale=float(np.float32(scale))))


@step("MAXIMUM")
@step("MINIMUM")
def _choice(model, source):
    return model.add(model.pick("MAXIMUM", "MINIMUM"), _both(model, source), model.like(source, model.shape(source)))


def _unary(name, **fixed):
    @step(name)
    def unary(model, source):
        if name in ("LOGISTIC", "TANH") and model.real(source) > 15:      # which the kernels do not take
            return None
        scale = model.real(source) * model.rng.uniform(0.3, 2)
        return model.add(name, [source], model.tensor(model.shape(source), **{"scale": float(np.float32(scale))}
                                                      | fixed))
    return unary


_unary("ABS")
_unary("RELU")
_unary("ELU")
_unary("QUANTIZE")
_unary("LOGISTIC", scale=1 / 256, zero=-128)
_unary("TANH", scale=1 / 128, zero=0)


@step("RELU6")
def _relu6(model, source):
    given = model.pick(model.like(source, model.shape(source)), model.tensor(model.shape(source)))
    return model.add("RELU6", [source], given)


@step("HARD_SWISH")
def _hard_swish(model, source):
    scale = model.real(source) * model.rng.uniform(0.1, 2)
    return model.add("HARD_SWISH", [source], model.tensor(model.shape(source), scale=float(np.float32(scale))))


@step("LEAKY_RELU")
def _leaky_relu(model, source):
    scale = model.real(source) * model.rng.uniform(0.3, 2)
    return model.add("LEAKY_RELU", [source], model.tensor(model.shape(source), scale=float(np.float32(scale))),
                     "LeakyReluOptions", Alpha=float(model.rng.uniform(-0.5, 1.5)))


@step("ISLAND")
def _island(model, source):
    """Float32 between a DEQUANTIZE and a QUANTIZE, as converters leave it."""
    shape = model.shape(source)

    def real(**fields):
        return model.tensor(shape, kind="FLOAT32", scale=[], zero=[], **fields)
    values = first = model.add("DEQUANTIZE", [source], real())
    for _ in range(model.number(1, 3)):
        name = model.pick("ABS", "NEG", "RELU", "RELU6", "LEAKY_RELU", "ELU", "HARD_SWISH", "LOGISTIC", "TANH",
                          "SQUARE", "ADD", "MUL", "SUB")
        if name in ("ADD", "MUL", "SUB"):
            number = model.tensor((), kind="FLOAT32", scale=[], zero=[], data=np.float32(model.rng.normal()))
            values = model.add(name, [values, model.pick(number, first)], real(), f"{name.capitalize()}Options",
                               FusedActivationFunction=model.pick(0, 1, 3))
        else:
            options = {"LEAKY_RELU": ("LeakyReluOptions", {"Alpha": 0.3})}.get(name, ("", {}))
            values = model.add(name, [values], real(), options[0], **options[1])
    scale = model.real(source) * model.rng.uniform(0.3, 2)
    return model.add("QUANTIZE", [values], model.tensor(shape, scale=float(np.float32(scale))))


@step("SOFTMAX")
def _softmax(model, source):
    if model.real(source) < 1e-6:      # which the kernel does not take
        return None
    return model.add("SOFTMAX", [source], model.tensor(model.shape(source), scale=1 / 256, zero=-128),
                     "SoftmaxOptions", Beta=model.pick(1.0, 0.7))


@step("LOG_SOFTMAX")
def _log_softmax(model, source):
    if model.real(source) < 1e-6:
        return None
    return model.add("LOG_SOFTMAX", [source], model.tensor(model.shape(source), scale=16 / 256, zero=127))


@step("MEAN")
@step("SUM")
def _mean(model, source):
    name, shape = model.pick("MEAN", "MEAN", "SUM"), model.shape(source)
    axes = sorted(model.rng.choice(len(shape), model.number(1, len(shape)), replace=False).tolist())
    if len(shape) == 4 and model.rng.random() < 0.4:
        axes = [1, 2]
    keep, count = bool(model.rng.random() < 0.5), int(np.prod([shape[axis] for axis in axes]))
    sizes = [1 if axis in axes else length for axis, length in enumerate(shape)]
    given = sizes if keep else [length for axis, length in enumerate(shape) if axis not in axes]
    scale = model.real(source) * (1 if name == "MEAN" else count ** 0.5) * model.rng.uniform(0.5, 2)
    signs = [axis - model.pick(0, len(shape)) for axis in axes]
    return model.add(name, [source, model.integers(signs)], model.tensor(given, scale=float(np.float32(scale))),
                     "ReducerOptions", KeepDims=keep) if given else None


@step("REDUCE_MAX")
@step("REDUCE_MIN")
def _extreme(model, source):
    shape, axis = model.shape(source), model.number(0, len(model.shape(source)) - 1)
    given = [length for place, length in enumerate(shape) if place != axis]
    return model.add(model.pick("REDUCE_MAX", "REDUCE_MIN"), [source, model.integers([axis])],
                     model.like(source, given), "ReducerOptions", KeepDims=False) if given else None
