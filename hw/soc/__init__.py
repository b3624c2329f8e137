"""The SoC of a design point on a board: CPU, memories, UART, engine and custom instructions.

Imports nothing: the firmware, above it, takes the facts of ``hw.soc.cpus``.
"""
