"""Runs a component in Amaranth's simulator."""

from amaranth import Module
from amaranth.sim import Simulator

__all__ = ["simulate"]


def simulate(component, *testbenches, contracts=()):
    """Clock ``component`` until every testbench (an async function of the context) has ended."""
    top = Module()
    top.submodules.dut = component
    for contract in contracts:
        top.submodules += contract
    sim = Simulator(top)
    sim.add_clock(1e-6)
    for testbench in testbenches:
        sim.add_testbench(testbench)
    sim.run()
