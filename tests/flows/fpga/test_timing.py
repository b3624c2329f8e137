from pathlib import Path

from flows.fpga.routing import Clock, Routed
from flows.fpga.timing import TOP, CriticalPath, Station, critical_path, read_report
from tests.support.routed import PATH, routed


def test_a_path_is_told_by_modules(tmp_path):
    assert critical_path(routed(tmp_path, 1, 200.0)) == CriticalPath(
        source="VexRiscv.execute_to_memory_BRANCH_CALC", sink="heddle_engine.array.element_0_0.total",
        delay_ns=5.0, routing_ns=4.0,
        stations=(Station(module="VexRiscv", delay_ns=0.5), Station(module=TOP, delay_ns=2.25),
                  Station(module="heddle_engine.sequencer", delay_ns=1.75),
                  Station(module="heddle_engine.array.element_0_0", delay_ns=0.5)))


def test_it_adds_up(tmp_path):
    path = critical_path(routed(tmp_path, 1, 200.0))
    assert sum(each.delay_ns for each in path.stations) == path.delay_ns == sum(step["delay"] for step in PATH)


def test_of_several_clocks_it_is_the_one_that_limits(tmp_path):
    both = routed(tmp_path, 1, 200.0)
    both = Routed(folder=both.folder, seed=1, resources={}, clocks={
        "other": Clock(achieved_mhz=60, wanted_mhz=50), "sys": Clock(achieved_mhz=100, wanted_mhz=125)})
    assert critical_path(both) is not None
    assert critical_path(Routed(folder=Path(tmp_path), seed=1, resources={}, clocks={
        "other": Clock(achieved_mhz=40, wanted_mhz=50), "sys": Clock(achieved_mhz=100, wanted_mhz=125)})) is None


def test_blocks_of_a_memory_are_the_memory():
    """As the SoC's RAM and the CPU's registers are named."""
    steps = [{"type": "clk-to-q", "delay": 5.0, "from": {"cell": "sram.0.2"}, "to": {"cell": "sram.0.2"}},
             {"type": "setup", "delay": 1.0, "from": {"cell": "sram.0.2"}, "to": {"cell": "picorv32.cpuregs.0.0"}}]
    path = read_report({"critical_paths": [{"from": "posedge sys", "to": "posedge sys", "path": steps}]}, "sys")
    assert (path.source, path.sink) == ("sram", "picorv32.cpuregs")
    assert path.stations == (Station(module="sram", delay_ns=5.0), Station(module="picorv32.cpuregs", delay_ns=1.0))


def test_a_report_without_paths_has_none():
    assert read_report({}, "sys") is None
