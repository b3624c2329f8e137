import functools
import importlib.util
from itertools import repeat
from pathlib import Path

import pytest

from sw.models import NETWORKS, LayerSpec, ModelError, build, network, network_source, networks, shapes

DIGITS = (8, 8, 1)
END = LayerSpec(op="dense", channels=10, scaled=False, relu=False)


@pytest.fixture(autouse=True)
def forgotten():
    """What a test registers is gone after it."""
    before = dict(NETWORKS)
    yield
    NETWORKS.clear()
    NETWORKS.update(before)


def own(make):
    """A user's function under the name ``own``."""
    NETWORKS["own"] = make


def own_file(folder, text):
    """A user's file, imported, that registers networks."""
    path = folder / "nets.py"
    path.write_text("from sw.models import LayerSpec, network\n" + text)
    spec = importlib.util.spec_from_file_location("nets", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return path


def test_a_user_adds_a_network_in_one_place():
    @network("own")
    def tiny(shape, classes):
        return (LayerSpec(op="avgpool", kernel=(4, 4)),
                LayerSpec(op="dense", channels=classes, scaled=False, relu=False))

    assert shapes(build("own", DIGITS, 3, width=9), DIGITS) == [DIGITS, (2, 2, 1), (1, 1, 3)]
    with pytest.raises(ModelError, match=r"network 'own': registered twice; choose another name"):
        network("own")(tiny)


def test_a_width_that_makes_too_many_channels_names_the_layer():
    own(lambda shape, classes: (LayerSpec(op="conv", channels=8), LayerSpec(op="conv", channels=512), END))
    with pytest.raises(ModelError, match=r"^network 'own', layer 1, width 16: conv channels=8192: write"):
        build("own", DIGITS, 10, 16)


def test_layers_may_come_one_by_one():
    own(lambda shape, classes: (LayerSpec(op="dense", channels=size, scaled=False, relu=False)
                                for size in (5, classes)))
    assert [layer.channels for layer in build("own", DIGITS, 3)] == [5, 3]


def test_a_network_may_end_in_a_pool():
    own(lambda shape, classes: (LayerSpec(op="conv", channels=classes, scaled=False),
                                LayerSpec(op="avgpool", kernel=(0, 0))))
    assert shapes(build("own", DIGITS, 3), DIGITS)[-1] == (1, 1, 3)


@pytest.mark.parametrize("layers, error", [
    ([], r"network 'own': no layers; a network ends in a dense layer with channels=classes and scaled=False"),
    ([LayerSpec(op="dense", channels=8, scaled=False)],
     r"network 'own', layer 0 \(dense\): the last layer gives 8 outputs, but there are 10 classes; write "
     r"channels=classes$"),
    ([LayerSpec(op="dense", channels=10)],
     r"layer 0 \(dense\): the last layer gives 8 outputs, but there are 10 classes; write channels=classes and "
     r"scaled=False, so that the width does not change it"),
    ([LayerSpec(op="conv", channels=10, scaled=False)],
     r"layer 0 \(conv\): the last layer gives an image of 8x8x10; a network ends in one output for each of "
     r"the 10 classes"),
    ([LayerSpec(op="avgpool", kernel=(2, 2)), LayerSpec(op="avgpool", kernel=(5, 5)), END],
     r"network 'own', layer 1: avgpool \(5, 5\): does not fit its input \(4, 4, 1\); use a smaller kernel"),
    ([END, LayerSpec(op="avgpool", kernel=(2, 2))], r"layer 1: avgpool \(2, 2\): does not fit its input \(1, 1, 10\)"),
    ([LayerSpec(op="avgpool", kernel=(0, 0))], r"layer 0 \(avgpool\): no layer has weights; nothing can be trained"),
    ([{"op": "dense"}], r"network 'own', layer 0: \{'op': 'dense'\} is no layer; make it with LayerSpec\(op=\.\.\.\)"),
    ([END, "dense"], r"network 'own', layer 1: 'dense' is no layer"),
    (None, r"^network 'own': its function gives nothing; return a tuple of LayerSpec\(op=\.\.\.\)$"),
    (repeat(END), r"^network 'own': its function gives more than 1000 layers; return a tuple"),
    ([LayerSpec(op="dense", channels=10, scaled=False)],
     r"layer 0 \(dense\): the last layer has relu=True, which cuts off what speaks against a class; write relu=False$"),
    (END, r"network 'own'.*: TypeError: 'LayerSpec' object is not iterable"),
    ([LayerSpec(op="conv", channels=4096, kernel=(255, 255), scaled=False), END],
     r"layer 0 \(conv\): 266342400 weights up to here exceed 16777216; use fewer channels, a smaller kernel or width"),
])
def test_a_network_that_cannot_be_trained_names_layer_and_rule(layers, error):
    own(lambda shape, classes: layers)
    with pytest.raises(ModelError, match=error) as caught:
        build("own", DIGITS, 10, 0.75)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line, error", [
    ("    yield LayerSpec(op='conv', channels=4, kernel=3)",
     "conv kernel=3: takes two whole numbers, y and x; write kernel=(3, 3)"),
    ("    yield LayerSpec(op='conv', channels=4, stride=(0, 1))", "conv stride=(0, 1): both are 1 to 31"),
    ("    return 1 / 0", "ZeroDivisionError: division by zero"),
    ("    raise ValueError('two\\nlines')", "ValueError: two lines"),
    ("    yield LayerSpec(op='conv', filters=4)",
     "TypeError: LayerSpec.__init__() got an unexpected keyword argument 'filters'"),
])
def test_a_mistake_in_a_users_file_names_its_line(tmp_path, line, error):
    first = "yield LayerSpec(op='dense', channels=4)" if "yield" in line else "# nothing"
    own_file(tmp_path, f"@network('own')\ndef own(shape, classes):\n    {first}\n{line}\n")
    with pytest.raises(ModelError) as caught:
        build("own", DIGITS, 10)
    assert str(caught.value) == f"network 'own', layer in line 5 of nets.py: {error}"


def test_a_function_that_takes_other_arguments_is_named():
    own(lambda: ())
    with pytest.raises(ModelError, match=r"network 'own': TypeError: .* takes 0 positional arguments but 2 were given"):
        build("own", DIGITS, 10)


@pytest.mark.parametrize("make, error", [
    (lambda: build("resnet", DIGITS, 10), r"network 'resnet': unknown; choose mlp or dscnn"),
    (lambda: network_source("resnet"), r"network 'resnet': unknown; choose mlp or dscnn"),
    (lambda: build("mlp", DIGITS, 10, width=0), r"width=0: the width multiplier is above 0"),
    (lambda: build("mlp", DIGITS, 10, width=float("nan")), r"width=nan: the width multiplier is above 0"),
    (lambda: network("my/net"), r"network 'my/net': a name has letters, digits, '_', '-' and '\.'; write @network"),
    (lambda: network(lambda shape, classes: ()), r"network <function .*: a name has letters"),
])
def test_wrong_names_and_widths_are_named(make, error):
    with pytest.raises(ModelError, match=error):
        make()


def test_the_source_of_a_network_is_the_file_of_its_function(tmp_path):
    assert network_source("mlp") == Path(networks.__file__).resolve()
    path = own_file(tmp_path, "@network('own')\ndef own(shape, classes):\n    return ()\n")
    assert network_source("own") == path.resolve()

    class Maker:
        def __call__(self, shape, classes):
            return ()

    def wrapped(shape, classes):
        return NETWORKS["mlp"](shape, classes)

    for make in (Maker(), wrapped, functools.partial(wrapped, classes=2), Maker().__call__):
        own(make)
        assert network_source("own") == Path(__file__).resolve()
    own(functools.wraps(networks.mlp)(lambda shape, classes: ()))
    assert network_source("own") == Path(networks.__file__).resolve()


@pytest.mark.parametrize("make", [max, eval("lambda shape, classes: ()")])
def test_a_network_without_a_file_is_refused(make):
    own(make)
    with pytest.raises(ModelError, match=r"network 'own': .* is not in a file, so its results could not be told from"):
        network_source("own")
