"""A small design for the tests of synthesis and routing."""

__all__ = ["COUNTER"]

COUNTER = """
module counter(input clk, input up, output q);
  reg [7:0] n = 0;
  always @(posedge clk) n <= n + up;
  assign q = n[7];
endmodule
"""
