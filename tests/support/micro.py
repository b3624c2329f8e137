"""TensorFlow Lite Micro, which PyPI has as a wheel: what it answers to a file's bytes."""

import importlib.util

import numpy as np
import pytest

__all__ = ["ARENA", "micro_answers", "needs_micro"]

ARENA = 8 << 20
needs_micro = pytest.mark.skipif(importlib.util.find_spec("tflite_micro") is None,
                                 reason="PyPI has tflite-micro for Python 3.11 on x86_64 alone")


def micro_answers(data, inputs, outputs):
    """What each of ``outputs`` outputs is for every one of ``inputs``, arrays ``(N, *shape)`` in the file's shapes.

    The inputs follow each other, as state is kept between them.
    """
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(bytes(data), arena_size=ARENA)
    found = [[] for _ in range(outputs)]
    for step in range(len(inputs[0])):
        for number, values in enumerate(inputs):
            interpreter.set_input(values[step], number)
        interpreter.invoke()
        for number, answers in enumerate(found):
            answers.append(np.array(interpreter.get_output(number)))
    return [np.stack(answers) for answers in found]
