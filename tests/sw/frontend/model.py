"""A TFLite model under construction, and the steps that random ones are made of, by their names."""

import numpy as np

from tests.sw.frontend.files import build, operator, subgraph, tensor

__all__ = ["ACTIVATIONS", "SAME", "STEPS", "VALID", "Model", "step"]

SAME, VALID = 0, 1
ACTIVATIONS = (0, 0, 1, 2, 3)      # none, none, RELU, RELU_N1_TO_1, RELU6


class Model:
    """Tensors and operators so far; what is added is known by the number of its tensor."""

    def __init__(self, rng):
        self.rng, self.tensors, self.operators, self.inputs = rng, [], [], []

    def pick(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def number(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def zero(self):
        return self.pick(-128, 127, 0, self.number(-128, 127))

    def scale(self, low=-2.5, high=0.0):
        return float(np.float32(10.0 ** self.rng.uniform(low, high)))

    def tensor(self, shape, *, scale=None, zero=None, **fields):
        scale, zero = self.scale() if scale is None else scale, self.zero() if zero is None else zero
        self.tensors.append(tensor(tuple(shape), scale=scale, zero=zero, **fields))
        return len(self.tensors) - 1

    def input(self, shape, **fields):
        self.inputs.append(self.tensor(shape, **fields))
        return self.inputs[-1]

    def second(self, shape, **fields):
        """An input beside the first one, of one inference; where that has a batch inside, a constant."""
        return self.input(shape, **fields) if shape[0] == 1 or len(shape) == 1 else self.constant(shape, **fields)

    def like(self, source, shape, **fields):
        """A tensor with the scale and zero point of ``source``."""
        one = self.tensors[source]
        return self.tensor(shape, **{"scale": one["scale"], "zero": one["zero"]} | fields)

    def integers(self, values, kind="INT32"):
        values = np.asarray(values, {"INT32": np.int32, "INT64": np.int64}[kind])
        return self.tensor(values.shape, kind=kind, data=values, scale=[], zero=[])

    def constant(self, shape, **fields):
        return self.tensor(shape, data=self.rng.integers(-128, 128, shape).astype(np.int8), **fields)

    def shape(self, source):
        return self.tensors[source]["shape"]

    def real(self, source):
        return float(np.atleast_1d(self.tensors[source]["scale"])[0])

    def add(self, name, inputs, output, options="", **fields):
        self.operators.append(operator(name, inputs, output, options, **fields))
        return output

    def bytes(self, outputs, *more):
        return build(subgraph(self.tensors, self.operators, inputs=self.inputs, outputs=outputs), *more)


STEPS = {}


def step(name, least=1, most=4):
    """A step takes a model and a tensor of ``least`` to ``most`` dimensions, and gives a tensor; None if it cannot."""
    def register(function):
        STEPS[name] = (function, least, most)
        return function
    return register
