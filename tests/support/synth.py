"""Small designs for the tests of synthesis and routing."""

__all__ = ["COUNTER", "MULTIPLIERS"]

COUNTER = """
module counter(input clk, input up, output q);
  reg [7:0] n = 0;
  always @(posedge clk) n <= n + up;
  assign q = n[7];
endmodule
"""

#: 40 of them.
MULTIPLIERS = """
module big(input clk, input [35:0] a, output reg [39:0] q);
  genvar i;
  generate for (i = 0; i < 40; i = i + 1) begin
    reg signed [17:0] x, y; reg signed [35:0] p;
    always @(posedge clk) begin x <= a[17:0] + i; y <= a[35:18] ^ i; p <= x * y; q[i] <= ^p; end
  end endgenerate
endmodule
"""
