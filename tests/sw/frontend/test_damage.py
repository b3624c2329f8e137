from pathlib import Path

import pytest

from sw.frontend.damage import names_file
from sw.graph.graph import GraphError

FILE = Path("/some/where/net.tflite")


@pytest.mark.parametrize("error, text", [
    (GraphError("tensor 3 is INT16"), "net.tflite: tensor 3 is INT16"),
    (GraphError("net.tflite: is empty"), "net.tflite: is empty"),
    (GraphError(f"{FILE}: is empty"), f"{FILE}: is empty"),
    (KeyError("scale"), "net.tflite: is damaged or cut short (KeyError: 'scale'); get it again"),
    (RecursionError("deep"), "net.tflite: is damaged or cut short (RecursionError: deep); get it again"),
])
def test_an_error_is_a_line_with_the_files_name(error, text):
    @names_file
    def load(path):
        raise error

    with pytest.raises(GraphError) as caught:
        load(FILE)
    assert str(caught.value) == text


def test_other_errors_come_through():
    @names_file
    def load(path):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        load(FILE)
