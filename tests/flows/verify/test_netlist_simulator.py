"""What a simulator of a routed SoC depends on."""

from dataclasses import replace

from flows.verify.netlist_simulator import NetlistSimulator


def step(folder, **changes):
    folder.mkdir(exist_ok=True)
    for name, text in {"netlist.json.gz": "cells", "soc.facts.json": "{}", "firmware.bin": "code", **changes}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return NetlistSimulator(netlist=folder / "netlist.json.gz", facts=folder / "soc.facts.json", family="ecp5",
                            firmware=folder / "firmware.bin")


def test_the_same_cells_facts_and_firmware_share_it(tmp_path):
    first = step(tmp_path / "one")
    assert step(tmp_path / "other").digest == first.digest
    for name in ("netlist.json.gz", "soc.facts.json", "firmware.bin"):
        assert step(tmp_path / "other", **{name: "changed"}).digest != first.digest
    assert replace(first, trace=True).digest != first.digest


def test_it_is_built_once_of_what_was_routed(monkeypatch, store, tmp_path):
    built = []
    monkeypatch.setattr("flows.verify.netlist_simulator.load_soc", lambda folder: folder.name)
    monkeypatch.setattr("flows.verify.netlist_simulator.build_routed_sim",
                        lambda routed, soc, family, out, *, firmware, trace: built.append(
                            (routed.name, soc, family, firmware.name, trace)))
    for _ in range(2):
        step(tmp_path / "one").value(store)
    assert built == [("netlist.json.gz", "one", "ecp5", "firmware.bin", False)]
