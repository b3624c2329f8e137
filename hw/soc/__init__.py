"""The SoC of a design point on a board: CPU, memories, UART, engine and custom instructions."""

from hw.soc.generate import NO_ENGINE, TOP, SocFiles, cpu_verilog, generate, load_soc

__all__ = ["NO_ENGINE", "TOP", "SocFiles", "cpu_verilog", "generate", "load_soc"]
