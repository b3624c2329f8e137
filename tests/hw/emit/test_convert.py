from amaranth import Module, Signal

from hw.emit.convert import convert


def counter():
    m, count = Module(), Signal(4)
    m.d.sync += count.eq(count + 1)
    return m, count


def test_a_yosys_on_the_path_changes_no_text(tmp_path, monkeypatch):
    """Amaranth would take it, and its version is in the first line."""
    m, count = counter()
    expected = convert(m, ports=[count], name="top")
    yosys = tmp_path / "yosys"
    yosys.write_text("#!/bin/sh\ncat >/dev/null\necho 'Yosys 0.66 (git sha1 0000)'\n")
    yosys.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("AMARANTH_USE_YOSYS", raising=False)
    m, count = counter()
    assert convert(m, ports=[count], name="top") == expected
    assert "Amaranth Yosys" in expected.splitlines()[0]


def test_positions_in_the_sources_are_left_out():
    m, count = counter()
    assert ".py:" not in convert(m, ports=[count])
