import re

from hw.emit.cfu import cfu_verilog

PORTS = {"clk", "reset", "cmd_valid", "cmd_ready", "cmd_payload_function_id", "cmd_payload_inputs_0",
         "cmd_payload_inputs_1", "rsp_valid", "rsp_ready", "rsp_payload_outputs_0"}


def test_ports_are_those_that_the_cpu_instantiates():
    ports = re.search(r"^module Cfu\((.*)\);$", cfu_verilog(), re.MULTILINE)
    assert ports
    assert set(ports[1].split(", ")) == PORTS


def test_the_same_text_every_time_without_paths():
    assert cfu_verilog() == cfu_verilog()
    assert "/hw/" not in cfu_verilog()
