"""Random TFLite models: one operator each, and networks of several, in the shapes and scales that files come in."""

from importlib import import_module

import numpy as np

from tests.sw.frontend.model import STEPS, Model

__all__ = ["STEPS", "network", "one_operator"]

for family in ("products", "values", "moves"):
    import_module(f"tests.sw.frontend.steps.{family}")       # each enters its steps


def _shape(model, least, most):
    """Of one inference: a batch of 1 in front, now and then none."""
    rank = model.number(least, most)
    if rank == 1:
        return (model.number(1, 40),)
    return (1, *(model.number(1, 9) for _ in range(rank - 1)))


def one_operator(name, seed):
    """A model of one operator: its bytes, and the numbers of inputs and outputs."""
    function, least, most = STEPS[name]
    for attempt in range(100):
        model = Model(np.random.default_rng([seed, attempt, *name.encode()]))
        output = function(model, model.input(_shape(model, least, most)))
        if output is not None and int(np.prod(model.shape(output))) < 20000:
            return _made(model, output)
    raise ValueError(f"{name}: no model in 100 attempts")


def network(seed, length=6):
    """A random network: from an int8, uint8 or float32 input through ``length`` operators."""
    model = Model(np.random.default_rng([seed, 17]))
    shape = _shape(model, 2, 4)
    kind = model.pick("INT8", "INT8", "UINT8", "FLOAT32")
    source = model.input(shape, kind=kind, **({"zero": model.number(0, 255)} if kind == "UINT8" else {}))
    if kind != "INT8":
        scale = float(np.float32(model.real(source) * model.rng.uniform(0.5, 2)))
        source = model.add("QUANTIZE", [source], model.tensor(shape, scale=scale))
    names = sorted(STEPS)
    for _ in range(length):
        for _ in range(50):
            function, least, most = STEPS[model.pick(*names)]
            if not least <= len(model.shape(source)) <= most:
                continue
            output = function(model, source)
            if output is not None:
                source = output
                break
        if int(np.prod(model.shape(source))) > 4000 or len(model.tensors) > 80 or not 1e-6 < model.real(source) < 1e4:
            break
    if model.rng.random() < 0.3:
        source = model.add("DEQUANTIZE", [source], model.tensor(model.shape(source), kind="FLOAT32", scale=[], zero=[]))
    return _made(model, source)


def _made(model, output):
    outputs = [*getattr(model, "outputs", []), output]
    return model.bytes(outputs), model.inputs, outputs
