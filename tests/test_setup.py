"""The set-up: what the lock file promises, and how ``scripts/setup.py`` behaves where something is missing."""

import ast
import importlib.util
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def here(line):
    """Whether a line of a list of requirements is for this Python and machine."""
    marker = Requirement(line).marker
    return marker is None or marker.evaluate()


def read_lock(name):
    lines = [line for line in (ROOT / name).read_text().splitlines() if line[0] != "#" and here(line)]
    return {plain(name): pinned for name, pinned in (line.split(";")[0].split("==") for line in lines)}


LOCKED = read_lock("requirements.lock")
CUDA_LOCKED = read_lock("requirements-cuda.lock")
ASKED = {plain(Requirement(line).name)
         for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]] if here(line)}


def load_setup():
    spec = importlib.util.spec_from_file_location("heddle_setup", ROOT / "scripts/setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_everything_asked_for_is_locked():
    assert set(LOCKED) >= ASKED


def test_what_is_installed_is_what_is_locked():
    assert {name: version(name).split("+")[0] for name in LOCKED} == LOCKED


def test_nothing_pulls_cuda():
    assert LOCKED["torch"] == "2.13.0"
    assert not [name for name in LOCKED if name.startswith(("nvidia", "triton", "cuda"))]


def test_the_libraries_of_the_cuda_build_are_apart_and_are_those_that_it_names():
    assert all(name.startswith("nvidia-") for name in CUDA_LOCKED)
    named = {plain(name): pinned for name, pinned in
             re.findall(r"^(nvidia[\w-]+)==([\w.]+)", "\n".join(requires("torch")), re.MULTILINE)}
    if not named:
        pytest.skip("torch's CPU build is installed, which names no library of CUDA")
    assert {name: CUDA_LOCKED[name] for name in named} == named


def test_python_versions_are_those_that_the_project_names():
    below = load_setup().PYTHONS
    assert PROJECT["requires-python"] == f">=3.{min(below)},<3.{max(below) + 1}"
    assert sorted(below) == list(range(min(below), max(below) + 1))


def test_every_import_is_asked_for():
    homes, missing = packages_distributions(), set()
    for top in ("hw", "sw", "boards", "cosim", "flows", "tests"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = ([alias.name for alias in node.names] if isinstance(node, ast.Import) else
                         [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else [])
                for name in {name.split(".")[0] for name in names} - set(sys.stdlib_module_names):
                    if name in homes and not {plain(home) for home in homes[name]} & (ASKED | {"heddle"}):
                        missing.add(f"{path.relative_to(ROOT)}: {name}")
    assert missing == set()


def test_every_dependency_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    lists = re.findall(r"^(?:dependencies|test) = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in lists for line in block.splitlines() if line.strip().startswith('"')]
    assert len(lists) == 2
    assert [line for line in lines if "#" not in line] == []


@pytest.fixture
def setup(monkeypatch, tmp_path, capsys):
    module = load_setup()
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv/stamp")
    monkeypatch.setattr(module, "LOG", tmp_path / ".venv/log")
    return module


def test_without_rights_the_exact_command_is_printed(setup, monkeypatch, capsys):
    monkeypatch.setitem(setup.PACKAGES, "g++", ("compiles the simulators", lambda: False))
    monkeypatch.setitem(setup.PACKAGES, "picolibc-riscv64-unknown-elf", ("the firmware's C library", lambda: False))
    monkeypatch.setattr(setup, "apt_prefix", lambda: None)
    assert setup.main() == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "setup: Debian packages are missing and this user may not install them; run"
    assert said[1] == "    sudo apt-get install -y --no-install-recommends g++ picolibc-riscv64-unknown-elf"


def test_missing_packages_are_installed_with_a_line_each(setup, monkeypatch, capsys):
    there, ran = set(), []

    def run(argv, what):
        ran.append(argv)
        if argv[-2:] == ["apt-get", "update"]:
            return
        if len(ran) == 1:
            raise setup.SetupError("apt-get install failed (status 100): E: Unable to locate package g++")
        there.add("g++")

    monkeypatch.setitem(setup.PACKAGES, "g++", ("compiles the simulators", lambda: "g++" in there))
    monkeypatch.setattr(setup, "apt_prefix", lambda: ["env"])
    monkeypatch.setattr(setup, "run", run)
    setup.install_packages()
    assert capsys.readouterr().err == "setup: installing the Debian package g++ (compiles the simulators)\n"
    assert [argv[2] for argv in ran] == ["install", "update", "install"]


def test_a_failing_step_is_one_line(setup, monkeypatch, capsys):
    monkeypatch.setattr(setup, "install_packages", lambda: None)
    monkeypatch.setattr(setup, "venv_is_usable", lambda: True)
    monkeypatch.setattr(setup, "VENV", Path("/nowhere"))
    monkeypatch.setattr(setup, "LOG", Path("/nowhere/log"))
    assert setup.main() == 2
    assert re.fullmatch(r"setup: installing .*\nsetup: No such file or directory: /nowhere/bin/python; mend it .*\n",
                        capsys.readouterr().err)


@pytest.mark.parametrize("minor", [10, 14])
def test_another_python_names_the_package(setup, monkeypatch, capsys, tmp_path, minor):
    monkeypatch.setattr(setup.sys, "version_info", (3, minor, 0))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert setup.main() == 2
    assert capsys.readouterr().err == (
        f"setup: Python 3.11, 3.12 or 3.13 is needed and this is {sys.version.split()[0]}; "
        "run: sudo apt-get install -y python3 (on Debian 12 or 13 or Ubuntu 24.04), or name one: "
        "make setup PYTHON=PATH\n")


def test_a_python_that_fits_is_taken_and_a_launcher_of_none_is_not(setup, monkeypatch, tmp_path):
    """Version managers put names on the PATH for what is not installed."""
    for name, status in (("a/python3.13", 127), ("b/python3.12", 0), ("b/python3.11", 0)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\nexit {status}\n")
        path.chmod(0o755)
    monkeypatch.setattr(setup.sys, "version_info", (3, 10, 0))
    monkeypatch.setenv("PATH", f"{tmp_path}/a:{tmp_path}/b")
    taken = []
    monkeypatch.setattr(setup.os, "execv", lambda path, argv: taken.append([path, *argv]) or sys.exit(0))
    with pytest.raises(SystemExit):
        setup.main()
    python = f"{tmp_path}/b/python3.12"
    assert taken == [[python, python, str(ROOT / "scripts/setup.py")]]


@pytest.fixture
def indexes(setup, monkeypatch):
    """``pip install`` against indexes: the keywords say who has what, and gives what was asked."""
    def make(*, own, pytorch, cuda):
        ran = []

        def run(argv, what):
            asked = " ".join(str(part) for part in argv[1:])
            ran.append(asked)
            if "+cpu" in asked and not (pytorch if "--index-url" in asked else own):
                raise setup.SetupError("pip install torch failed (status 1): ERROR: No matching distribution")
            if "+cpu" not in asked and cuda and "torch==" in asked:
                library = setup.VENV / "lib/python3/site-packages/torch/lib/libtorch_cuda.so"
                library.parent.mkdir(parents=True)
                library.touch()

        monkeypatch.setattr(setup, "run", run)
        setup.install_torch(["pip"])
        return ran
    return make


PYTORCH = "--index-url https://download.pytorch.org/whl/cpu --retries 1 --timeout 15"


def test_the_users_own_index_is_asked_for_the_cpu_build_first(indexes, capsys):
    assert indexes(own=True, pytorch=True, cuda=True) == ["torch==2.13.0+cpu"]
    assert capsys.readouterr().err == ""


def test_pytorchs_index_is_asked_next(indexes, capsys):
    assert indexes(own=False, pytorch=True, cuda=True) == ["torch==2.13.0+cpu", f"{PYTORCH} torch==2.13.0+cpu"]
    assert capsys.readouterr().err == ""


def test_a_cuda_build_comes_with_its_libraries_and_says_so(indexes, capsys):
    assert indexes(own=False, pytorch=False, cuda=True)[2:] == [
        "torch==2.13.0", f"-r {ROOT / 'requirements-cuda.lock'}"]
    assert capsys.readouterr().err == (
        "setup: no index within reach has torch's CPU build (https://download.pytorch.org/whl/cpu has, or name one in "
        "PIP_EXTRA_INDEX_URL); installing CUDA's libraries for the build that there is (2.5 GB, unused)\n")


def test_where_the_plain_build_has_no_cuda_nothing_else_is_installed(indexes, capsys):
    assert indexes(own=False, pytorch=False, cuda=False)[2:] == ["torch==2.13.0"]
    assert capsys.readouterr().err == ""


def test_nothing_is_done_or_said_when_nothing_changed(setup, monkeypatch, capsys):
    ran = []
    setup.STAMP.parent.mkdir()
    monkeypatch.setattr(setup, "venv_is_usable", lambda: True)
    monkeypatch.setattr(setup, "run", lambda argv, what: ran.append(what))
    monkeypatch.setattr(setup, "install_packages", lambda: None)
    assert setup.main() == 0
    assert ran == ["pip install torch", "pip install", "pip install -e", "preparing the tools"]
    capsys.readouterr()
    assert setup.main() == 0
    assert len(ran) == 4
    assert capsys.readouterr().err == ""


def test_a_changed_lock_file_is_installed_into_the_same_venv(setup, monkeypatch, tmp_path):
    ran = []
    setup.STAMP.parent.mkdir()
    setup.STAMP.write_text("of another lock file")
    monkeypatch.setattr(setup, "venv_is_usable", lambda: True)
    monkeypatch.setattr(setup, "run", lambda argv, what: ran.append(what))
    setup.install_python()
    assert "python3 -m venv" not in ran
    assert setup.STAMP.read_text() == setup.wanted_stamp()


def test_a_moved_venv_is_made_again(setup, monkeypatch):
    ran = []
    setup.STAMP.parent.mkdir()
    setup.STAMP.write_text(setup.wanted_stamp())
    monkeypatch.setattr(setup, "run", lambda argv, what: ran.append(what))
    setup.install_python()
    assert ran[0] == "python3 -m venv"
