import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sw.models import NETWORKS, ModelError, build, network_source, networks

DIGITS = (8, 8, 1)


@pytest.fixture
def own(tmp_path):
    """Writes a user's file; gives the network of a function in it."""
    def write(text, function="net"):
        path = tmp_path / "nets.py"
        path.write_text("import torch\nfrom torch import nn\n" + text, encoding="utf-8")
        return f"{path}:{function}"
    return write


DENSE = "return nn.Sequential(nn.Flatten(), nn.Linear({}, classes))"


def test_a_users_function_gets_shape_classes_and_settings(own):
    name = own("def net(shape, classes, width=1.0, hidden=4):\n"
               "    assert shape == (3, 5, 6) and classes == 7\n"
               "    size = int(hidden * width)\n"
               "    return nn.Sequential(nn.Flatten(), nn.Linear(90, size), nn.Linear(size, 7))\n")
    made = build(name, (5, 6, 3), 7, width=2, settings={"hidden": 8})
    assert [node.shape for node in made.nodes] == [(3, 5, 6), (90,), (16,), (7,)]


def test_a_seed_decides_the_weights_and_torchs_own_numbers_stay(own):
    name = own(f"def net(shape, classes):\n    {DENSE.format(64)}\n")
    before = torch.random.get_rng_state()
    digests = [build(name, DIGITS, 10, seed=seed).digest for seed in (1, 2, 1)]
    assert digests[0] == digests[2] != digests[1]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_weights_that_a_module_brings_are_kept(own):
    name = own("def net(shape, classes):\n    fc = nn.Linear(64, 10)\n    nn.init.constant_(fc.weight, 0.25)\n"
               "    return nn.Sequential(nn.Flatten(), fc)\n")
    assert build(name, DIGITS, 10).tensors["1.weight"].unique().tolist() == [0.25]


def test_a_file_that_changes_is_read_again_and_finds_its_neighbours(own, tmp_path):
    (tmp_path / "beside_nets.py").write_text("SIZE = 5\n", encoding="utf-8")
    text = ("from beside_nets import SIZE\ndef net(shape, classes):\n"
            "    return nn.Sequential(nn.Flatten(), nn.Linear(64, {}), nn.Linear({}, 10))\n")
    before = list(sys.path)
    assert build(own(text.format("SIZE", "SIZE")), DIGITS, 10).nodes[2].shape == (5,)
    assert build(own(text.format("6", "6")), DIGITS, 10).nodes[2].shape == (6,)
    assert sys.path == before


@pytest.mark.parametrize("text, error", [
    ("def net(shape, classes):\n    return 1 / 0\n",
     r", line 4 of nets\.py: ZeroDivisionError: division by zero; it is called with \(1, 8, 8\), 10$"),
    ("def net(shape, classes):\n    raise SystemExit(3)\n", r", line 4 of nets\.py: SystemExit: 3; it is called"),
    ("def net(:\n", r", line 3 of nets\.py: SyntaxError: invalid syntax"),
    ("raise ValueError('two\\nlines')\n", r", line 3 of nets\.py: ValueError: two lines$"),
    ("def other(shape, classes):\n    pass\nclass Net: pass\n",
     r": nets\.py has no function 'net'; it has other, Net$"),
    ("def net(shape, classes):\n    return [1]\n", r": its function gives list; return a torch\.nn\.Module$"),
    ("def net():\n    pass\n", r": TypeError: net\(\) takes 0 positional arguments but 2 were given; it is called"),
    (f"def net(shape, classes):\n    {DENSE.format(63)}\n",
     r", 1 \(Linear\), line 4 of nets\.py: RuntimeError: mat1 and mat2 shapes cannot be multiplied \(2x64 and 63x10\); "
     r"it gets inputs of \(2, 1, 8, 8\)$"),
    ("def net(shape, classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8))\n",
     r", 1 \(Linear\), line 4 of nets\.py: the last layer gives \(N, 8\), but 10 values are wanted, .* return \(N, 10"),
    ("def net(shape, classes):\n    return nn.Conv2d(1, 10, 3)\n", r"the last layer gives \(N, 10, 6, 6\), but"),
    ("def net(shape, classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.ReLU())\n",
     r"a ReLU stands behind the last layer, which cuts off what speaks against a class; leave it out$"),
    ("def net(shape, classes):\n    return nn.Sequential(nn.AvgPool2d(2), nn.Flatten())\n",
     r": no layer has weights; nothing can be trained$"),
    ("def net(shape, classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 300000), nn.Linear(300000, 10))\n",
     r": 22200000 weights exceed 16777216; use fewer channels"),
    ("class Net(nn.Module):\n    def forward(self, x):\n        return torch.zeros(2, 10)\n"
     "def net(shape, classes):\n    return Net()\n",
     r": forward gives what does not depend on its input; return one tensor, \(N, classes\)$"),
    ("class Net(nn.Module):\n    def forward(self, x):\n        return x, x\n"
     "def net(shape, classes):\n    return Net()\n",
     r": forward gives a tuple; return one tensor"),
])
def test_what_cannot_be_trained_is_one_line_that_says_where(own, text, error):
    with pytest.raises(ModelError, match=r"^network '.*nets\.py:net'.*" + error) as caught:
        build(own(text), DIGITS, 10)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make, error", [
    (lambda: build("resnet", DIGITS, 10),
     rf"^network 'resnet': unknown; choose {', '.join(NETWORKS)}, or write file\.py:function$"),
    (lambda: build("nets.py", DIGITS, 10), r"; if it is a file, write nets\.py:FUNCTION$"),
    (lambda: network_source("resnet"), r"^network 'resnet': unknown"),
    (lambda: build("gone.py:net", DIGITS, 10), r"^network 'gone\.py:net': there is no file gone\.py; write file"),
    (lambda: build("mlp", DIGITS, 10, width=0), r"^width=0: the width multiplier is above 0"),
    (lambda: build("mlp", DIGITS, 10, width=float("nan")), r"^width=nan: the width multiplier is above 0"),
    (lambda: build("mlp", DIGITS, 10, settings={"depth": 3}),
     r"^network 'mlp': its function takes no depth; it takes width, layers$"),
])
def test_wrong_names_widths_and_settings_are_named(make, error):
    with pytest.raises(ModelError, match=error):
        make()


def test_a_width_is_only_for_a_function_that_takes_one(own):
    name = own(f"def net(shape, classes):\n    {DENSE.format(64)}\n")
    with pytest.raises(ModelError, match=r"width=2: its function takes no width; write \(shape, classes, width=1\.0\)"):
        build(name, DIGITS, 10, width=2)
    anything = own("def net(shape, classes, **settings):\n    assert settings == {'width': 2, 'a': 1}\n"
                   f"    {DENSE.format(64)}\n")
    assert build(anything, DIGITS, 10, width=2, settings={"a": 1}).output.shape == (10,)


def test_the_source_of_a_network_is_the_file_of_its_function(own):
    assert network_source("mlp") == Path(networks.__file__).resolve()
    assert network_source(own("")).name == "nets.py"


def test_the_names_are_those_of_the_functions():
    assert sorted(NETWORKS) == sorted(networks.__all__)


def test_names_load_no_torch():
    code = "import sys, sw.models; sw.models.check_name('mlp'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "False\n"
