from flows.commands.doctor import examine
from hw.tools import TOOLS, find


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
    find.version.cache_clear()
    document = examine()
    find.version.cache_clear()
    rows = {row["name"]: row for row in document["tools"]}
    assert not document["ok"]
    assert rows["g++"]["version"] is None
    assert rows["g++"]["remedy"] == "sudo apt-get install -y g++"
    assert rows["yosys"]["version"]
