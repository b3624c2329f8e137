"""Verilog to bitstream: synthesis, place and route, new contents for memories, engines alone."""
