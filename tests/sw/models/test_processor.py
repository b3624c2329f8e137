import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sw.models import processor
from sw.models.processor import SETTINGS, VARIABLE, arithmetic, ask, instructions, one_thread

HAS = processor.NEEDED <= processor._flags()
needs = pytest.mark.skipif(not HAS, reason="this processor has no AVX2")


@pytest.fixture
def unset(monkeypatch):
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("flags, asked", [({"avx2", "fma", "avx512f"}, True), ({"avx2"}, False), ({"asimd"}, False)])
def test_only_what_the_processor_has_is_asked_for(unset, flags, asked):
    """Torch would believe it, and crash."""
    unset.setattr(processor, "_flags", lambda: frozenset(flags))
    ask()
    assert {name: os.environ.get(name) for name in SETTINGS} == (SETTINGS if asked else dict.fromkeys(SETTINGS))


def test_what_the_user_asked_for_stays(unset):
    unset.setattr(processor, "_flags", lambda: frozenset(processor.NEEDED))
    unset.setenv(VARIABLE, "default")
    ask()
    assert os.environ[VARIABLE] == "default"


@pytest.mark.parametrize("text, flags", [
    ("processor\t: 0\nflags\t\t: fpu avx2 fma\n\nprocessor\t: 1\nflags\t\t: fpu\n", {"fpu", "avx2", "fma"}),
    ("processor\t: 0\nFeatures\t: fp asimd\n", set()), ("", set()), (None, set())])
def test_linux_says_what_the_processor_has(tmp_path, monkeypatch, text, flags):
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(processor, "CPU_FACTS", path)
    assert processor._flags.__wrapped__() == flags


def said(code, **settings):
    """What a new process prints, without our variables but these."""
    env = {name: value for name, value in os.environ.items() if name not in SETTINGS} | settings
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, encoding="utf-8",
                          check=True).stdout.split()


@needs
def test_it_is_known_before_torch_is_loaded_and_true_afterwards():
    code = ("import sys\nfrom sw.models.processor import instructions\n"
            "print(instructions(), 'torch' in sys.modules)\n"
            "import torch\ntorch.randn(3)\nprint(instructions(), torch.backends.cpu.get_cpu_capability())")
    assert said(code) == ["AVX2", "False", "AVX2", "AVX2"]
    assert said(code, **{VARIABLE: "default"}) == ["DEFAULT", "False", "DEFAULT", "DEFAULT"]


def test_what_torch_has_begun_with_is_what_counts():
    """A process that used torch before it was asked says so: the key of its results is another."""
    code = ("import os, torch\ntorch.randn(3)\nfrom sw.models.processor import instructions\n"
            "os.environ['ATEN_CPU_CAPABILITY'] = 'avx2'\nprint(instructions())")
    assert said(code, **{VARIABLE: "default"}) == ["DEFAULT"]


@needs
def test_the_libraries_in_torch_do_as_they_are_asked():
    code = ("from sw.models.processor import ask\nask()\nimport torch\n"
            "image = torch.randn(64, 8, 8, 8)\ntorch.nn.functional.conv2d(image, torch.randn(8, 8, 3, 3))\n"
            "torch.randn(64, 64) @ torch.randn(64, 64)")
    lines = " ".join(said(code, ONEDNN_VERBOSE="1", MKL_VERBOSE="1"))
    assert "isa:Intel AVX2 " in lines and "convolution,jit:avx2," in lines and "CNR:COMPATIBLE" in lines


@needs
def test_a_network_is_built_with_them_whoever_builds_it():
    code = ("from sw.models import build\nbuild('mlp', (8, 8, 1), 10)\n"
            "import torch\nprint(torch.backends.cpu.get_cpu_capability())")
    assert said(code) == ["AVX2"]


def test_the_tests_compute_as_trainings_do():
    assert torch.backends.cpu.get_cpu_capability() == instructions() == arithmetic()["instructions"]
    assert instructions() == "AVX2" or not HAS


def test_one_thread_is_used_and_the_number_before_comes_back():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1 == arithmetic()["threads"]
    assert torch.get_num_threads() == before


#: Its result is printed. The emulator cannot run the instructions that numpy sorts with.
TRAINING = """
import hashlib
import numpy as np
argsort = np.argsort
np.argsort = lambda values, **_: argsort(values, kind="stable")
from sw.data import load_dataset
from sw.graph.layer import WEIGHTED
from sw.quant.config import TrainConfig
from sw.quant.recipe import Recipe
from sw.quant.training import train
for network in ("mlp", "dscnn"):
    config = TrainConfig(network=network, width=0.5, weight_bits=4, recipe=Recipe(passes=1))
    graph = train(config, load_dataset("digits")).graph
    weighted = [layer for layer in graph.layers if layer.op in WEIGHTED]
    arrays = [array for layer in weighted for array in (layer.weights, layer.bias, layer.multiplier)]
    print(hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest())
"""


@needs
@pytest.mark.slow
def test_another_makers_processor_trains_the_same_networks():
    """An Intel Haswell, which has no AVX-512, emulated: some minutes. Debian's qemu-user-static has it."""
    emulator = shutil.which("qemu-x86_64-static")
    if emulator is None:
        pytest.skip("needs qemu-x86_64-static, of Debian's qemu-user-static")
    env = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    found = subprocess.run([emulator, "-cpu", "Haswell", "-0", sys.executable, Path(sys.executable).resolve(), "-c",
                            TRAINING], env=env, capture_output=True, text=True, encoding="utf-8", check=True)
    assert found.stdout.split() == said(TRAINING)
