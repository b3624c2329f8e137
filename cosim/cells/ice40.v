// Cells of an iCE40 UltraPlus as nextpnr has them after packing, for simulation of what it wrote. cosim/cells.py says
// which settings they have and refuses all others; blocks that designs instantiate themselves are in cosim/verilate.v.

// Logic cell (Project IceStorm, "Logic tile"): a lookup table, a flip-flop behind it if it is enabled, and the carry of
// I1 + I2 + carry in. All flip-flops are zero after configuration; enable and reset are synchronous unless ASYNC_SR.
module ICESTORM_LC #(
    parameter [15:0] LUT_INIT = 0,
    parameter [0:0] CARRY_ENABLE = 0, DFF_ENABLE = 0, SET_NORESET = 0, ASYNC_SR = 0, CIN_CONST = 0, CIN_SET = 0
) (
    input I0, I1, I2, I3, CIN, CLK, CEN, SR,
    output O, COUT
);
    wire value = LUT_INIT[{I3, I2, I1, I0}];
    wire carry = CIN_CONST ? CIN_SET : CIN;
    assign COUT = CARRY_ENABLE & (I1 & I2 | (I1 | I2) & carry);
    generate if (!DFF_ENABLE) begin
        assign O = value;
    end else begin
        reg state = 0;
        assign O = state;
        if (ASYNC_SR) begin
            always @(posedge CLK, posedge SR) if (SR) state <= SET_NORESET; else if (CEN) state <= value;
        end else begin
            always @(posedge CLK) if (CEN) state <= SR ? SET_NORESET : value;
        end
    end endgenerate
endmodule

// Block RAM of 256 x 16 bits (Lattice TN1250), with a port to write and one to read. A port in mode m sees words of
// 16 / 2**m bits: of every 2**m bits it takes the one that its address bits from 8 on choose, on one of their pins. Mask
// bits of mode 0 keep what is there. What is written in the cycle in which it is read is not to be used: it comes inverted.
module ICESTORM_RAM #(
    parameter FILE = "",
    parameter [1:0] WRITE_MODE = 0, READ_MODE = 0
) (
    input WCLK, WCLKE, WE, RCLK, RCLKE, RE,
    input [10:0] WADDR, RADDR,
    input [15:0] WDATA, MASK,
    output [15:0] RDATA
);
    localparam W = 1 << WRITE_MODE, R = 1 << READ_MODE;     // bits of the memory for each that a port has
    reg [15:0] words [0:255];
    initial $readmemh(FILE, words);

    wire [15:0] data, taken;
    wire [15:0] clash = WE && WCLKE && WADDR[7:0] == RADDR[7:0] ? taken : 0;
    reg [15:0] found = 0;
    reg [2:0] place = 0;
    genvar n;
    generate for (n = 0; n < 16; n = n + 1) begin
        assign data[n] = WDATA[n / W * W + (W > 1 ? W / 2 - 1 : 0)];
        assign taken[n] = W > 1 ? (WADDR[10:8] & (W - 1)) == n % W : !MASK[n];
        assign RDATA[n] = n % R == (R > 1 ? R / 2 - 1 : 0) && found[n / R * R + (place & (R - 1))];
    end endgenerate
    always @(posedge WCLK) if (WE && WCLKE) words[WADDR[7:0]] <= data & taken | words[WADDR[7:0]] & ~taken;
    always @(posedge RCLK) if (RE && RCLKE) begin
        found <= words[RADDR[7:0]] ^ clash;
        place <= RADDR[10:8];
    end
endmodule

// The PLL's output is its input: a simulation has one clock, that which the PLL makes. It locks after some cycles, until
// when designs keep themselves in reset.
module ICESTORM_PLL (input REFERENCECLK, output PLLOUT_A, LOCK);
    reg [3:0] seen = 0;
    assign PLLOUT_A = REFERENCECLK, LOCK = &seen;
    always @(posedge REFERENCECLK) if (!LOCK) seen <= seen + 1;
endmodule

module SB_GB (input USER_SIGNAL_TO_GLOBAL_BUFFER, output GLOBAL_BUFFER_OUTPUT);
    assign GLOBAL_BUFFER_OUTPUT = USER_SIGNAL_TO_GLOBAL_BUFFER;
endmodule

module SB_IO_IN (input PACKAGE_PIN, output D_IN_0);
    assign D_IN_0 = PACKAGE_PIN;
endmodule

module SB_IO_OUT (input D_OUT_0, output PACKAGE_PIN, D_IN_0);
    assign PACKAGE_PIN = D_OUT_0, D_IN_0 = D_OUT_0;
endmodule
