import pytest

from flows.commands.doctor import examine
from hw.spec.errors import HeddleError
from hw.tools import TOOLS, VARIABLE, find
from tests.support.native import BASE_PATH, SAYS, program


def test_a_set_up_machine_is_well():
    document = examine()
    assert document["ok"]
    rows = {row["name"]: row for row in document["tools"]}
    assert set(TOOLS) < set(rows)
    optional = {tool.name for tool in TOOLS.values() if tool.optional}
    assert {name for name, row in rows.items() if not row["version"]} <= optional
    assert all(row["remedy"] and row["purpose"] for row in rows.values())


def test_what_is_missing_has_no_version_but_a_remedy(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    find._own_version.cache_clear()
    document = examine()
    find._own_version.cache_clear()
    rows = {row["name"]: row for row in document["tools"]}
    assert not document["ok"]
    assert rows["g++"]["version"] is None
    assert rows["g++"]["remedy"] == "sudo apt-get install -y g++"
    assert rows["yosys"]["version"]


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Which tools there are, by name, where nextpnr is new, Yosys too old, and no packer is there."""
    for name, version in (("nextpnr-ecp5", "9.1"), ("nextpnr-ice40", "9.1"), ("yosys", "0.23")):
        program(tmp_path, name, f"echo '{SAYS[name].format(version)}'")
    monkeypatch.setenv("PATH", f"{tmp_path}:{BASE_PATH}")

    def ask(value):
        monkeypatch.setenv(VARIABLE, value)
        return {row["name"]: (row["version"], row["why"], row["remedy"]) for row in examine()["tools"]}
    return ask


def test_it_says_which_are_used_and_why(rows, tmp_path):
    found = rows("")
    assert found["nextpnr-ecp5"] == ("native 9.1", f"{tmp_path}/nextpnr-ecp5 will do", "make setup")
    version, why, _ = found["yosys"]
    assert version.startswith("packaged 0.")
    assert why.startswith(f"{tmp_path}/yosys 0.23 (git sha1 0123abc) is older than ")
    assert found["icepack"][0].startswith("packaged 0.") and found["icepack"][1] == "no icepack on the PATH"
    assert found["g++"][1] == ""


def test_a_decision_is_the_reason(rows, tmp_path):
    assert {why for version, why, _ in rows("packaged").values() if version and version.startswith("packaged ")} == {
        "HEDDLE_TOOLS=packaged"}
    found = rows("native")
    assert found["nextpnr-ice40"][:2] == ("native 9.1", f"{tmp_path}/nextpnr-ice40 will do")
    version, why, remedy = found["yosys"]
    assert version is None and why.startswith(f"HEDDLE_TOOLS=native, but {tmp_path}/yosys 0.23 ")
    assert remedy == "put one that will do on the PATH, or unset HEDDLE_TOOLS"
    assert not examine()["ok"]


def test_another_decision_is_one_line(rows):
    with pytest.raises(HeddleError, match=r"^HEDDLE_TOOLS='both': choose packaged or native; "):
        rows("both")
