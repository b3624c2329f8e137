// Behaviour of the device cells that the generated Verilog instantiates, for simulation only.
// A cell that is set up in a way that Heddle does not use stops the simulation.

// iCE40 UltraPlus multiplier (Lattice TN1295), as two signed 8 x 8 bit products, or sums of each with C and D.
module SB_MAC16 #(
    parameter MODE_8x8 = 1'b0, A_SIGNED = 1'b0, B_SIGNED = 1'b0,
    parameter TOPOUTPUT_SELECT = 2'b00, BOTOUTPUT_SELECT = 2'b00,
    parameter TOPADDSUB_LOWERINPUT = 2'b00, BOTADDSUB_LOWERINPUT = 2'b00,
    parameter TOPADDSUB_UPPERINPUT = 1'b0, BOTADDSUB_UPPERINPUT = 1'b0,
    parameter A_REG = 1'b0, B_REG = 1'b0, TOP_8x8_MULT_REG = 1'b0, BOT_8x8_MULT_REG = 1'b0
) (
    input CLK, CE, ADDSUBTOP, ADDSUBBOT, OLOADTOP, OLOADBOT, OHOLDTOP, OHOLDBOT, CI,
    input [15:0] A, B, C, D,
    output [31:0] O
);
    localparam adds = TOPOUTPUT_SELECT == 1;
    reg [15:0] a, b;
    reg [31:0] o, sums;
    wire signed [7:0] a1 = A_REG ? a[15:8] : A[15:8], a0 = A_REG ? a[7:0] : A[7:0];
    wire signed [7:0] b1 = A_REG ? b[15:8] : B[15:8], b0 = A_REG ? b[7:0] : B[7:0];
    wire signed [15:0] top = a1 * b1, bottom = a0 * b0;
    wire [15:0] top_sum = o[31:16] + C, bottom_sum = o[15:0] + D;
    always @(posedge CLK) if (CE) begin
        a <= A;
        b <= B;
        o <= {top, bottom};
        sums <= {top_sum, bottom_sum};
    end
    assign O = adds ? sums : A_REG ? o : {top, bottom};
    wire control = ADDSUBTOP | ADDSUBBOT | OLOADTOP | OLOADBOT | OHOLDTOP | OHOLDBOT | CI;
    initial if (!(A_REG == B_REG && A_REG == TOP_8x8_MULT_REG && A_REG == BOT_8x8_MULT_REG && MODE_8x8 && A_SIGNED
                  && B_SIGNED && TOPOUTPUT_SELECT == BOTOUTPUT_SELECT && (adds ?
                      A_REG && TOPADDSUB_LOWERINPUT == 1 && BOTADDSUB_LOWERINPUT == 1 && TOPADDSUB_UPPERINPUT
                      && BOTADDSUB_UPPERINPUT && control === 0 : TOPOUTPUT_SELECT == 2))) begin
        $display("SB_MAC16: this mode has no model");
        $fatal;
    end
endmodule

// iCE40 UltraPlus single-port memory (Lattice TN1314), always awake. What it gives after a write is not to be used.
module SB_SPRAM256KA (
    input CLOCK, CHIPSELECT, WREN, STANDBY, SLEEP, POWEROFF,
    input [13:0] ADDRESS,
    input [15:0] DATAIN,
    input [3:0] MASKWREN,
    output reg [15:0] DATAOUT
);
    reg [15:0] words [0:16383];
    wire [15:0] mask = {{4{MASKWREN[3]}}, {4{MASKWREN[2]}}, {4{MASKWREN[1]}}, {4{MASKWREN[0]}}};
    always @(posedge CLOCK) if (CHIPSELECT) begin
        if (WREN) words[ADDRESS] <= (DATAIN & mask) | (words[ADDRESS] & ~mask);
        DATAOUT <= WREN ? ~DATAIN : words[ADDRESS];
        if (STANDBY || SLEEP || !POWEROFF) begin
            $display("SB_SPRAM256KA: this mode has no model");
            $fatal;
        end
    end
endmodule
