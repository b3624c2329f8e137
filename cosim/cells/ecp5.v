// Cells of an ECP5 as nextpnr has them after packing, for simulation of what it wrote. cosim/cells.py says which settings
// they have and refuses all others. Pins whose inverter is on, or that are tied, are so before they come here.

// Half a slice's logic (Lattice FPGA-DS-02012, "PFU Block"): a lookup table with a multiplexer behind it; a bit of a
// ripple carry, whose second table has only A and B; or 16 bits of a memory that is read like the table and written at an
// address whose bits 0 and 3 are the table's pins D and A.
module TRELLIS_COMB #(
    parameter [15:0] INITVAL = 0,
    parameter MODE = "LOGIC", CCU2_INJECT1 = "NO",
    parameter [0:0] SIX = 0        // it is the second multiplexer, of two with five inputs
) (
    input A, B, C, D, M, F1, FXA, FXB, FCI, WD, WAD0, WAD1, WAD2, WAD3, WRE, WCK,
    output F, FCO, OFX
);
    wire [3:0] at = {D, C, B, A};
    assign OFX = SIX ? (M ? FXB : FXA) : M ? F1 : F;
    generate if (MODE == "CCU2") begin
        localparam inject = CCU2_INJECT1 == "YES";
        wire passed = INITVAL[at], made = !inject && INITVAL[{2'b00, B, A}];
        assign F = passed ^ (!inject && FCI);
        assign FCO = passed ? FCI : made;
    end else if (MODE == "DPRAM") begin
        reg [15:0] bits = INITVAL;
        assign F = bits[at];
        assign FCO = 0;
        always @(posedge WCK) if (WRE) bits[{WAD0, WAD2, WAD1, WAD3}] <= WD;
    end else begin
        assign F = INITVAL[at];
        assign FCO = 0;
    end endgenerate
endmodule

// Half a slice of a memory: it brings data and address to where they are written.
module TRELLIS_RAMW (
    input A0, B0, C0, D0, A1, B1, C1, D1,
    output WDO0, WDO1, WDO2, WDO3, WADO0, WADO1, WADO2, WADO3
);
    assign {WADO3, WADO2, WADO1, WADO0} = {A0, C0, B0, D0};
    assign {WDO3, WDO2, WDO1, WDO0} = {B1, D1, A1, C1};
endmodule

// Flip-flop (Lattice FPGA-DS-02012): REGSET is also what it holds after configuration. A reset goes before the enable.
module TRELLIS_FF #(
    parameter REGSET = "RESET", SRMODE = "LSR_OVER_CE", SD = "1"
) (
    input CLK, LSR, CE, DI, M,
    output reg Q
);
    localparam set = REGSET == "SET";
    wire value = SD == "1" ? DI : M;
    initial Q = set;
    generate if (SRMODE == "ASYNC") begin
        always @(posedge CLK, posedge LSR) if (LSR) Q <= set; else if (CE) Q <= value;
    end else begin
        always @(posedge CLK) if (LSR) Q <= set; else if (CE) Q <= value;
    end endgenerate
endmodule

// Block RAM of 2,048 x 9 bits without output registers (Lattice FPGA-TN-02204). An address counts bits, the ninth ones
// left out; a port of 18 bits has a write enable for each 9 of them in its lowest address bits. A port that writes gives
// what it wrote, what was there before, or what it gave before. With 36 bits A writes four words of 9, B may read as many
// (their upper half on DOB). What one port writes in the cycle in which the other reads it is not to be used: it comes
// inverted.
module DP16KD #(
    parameter FILE = "",
    parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18,
    parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL"
) (
    input CLKA, CEA, WEA, CLKB, CEB, WEB,
    input [13:0] ADA, ADB,
    input [17:0] DIA, DIB,
    output [17:0] DOA, DOB
);
    localparam wide = DATA_WIDTH_A == 36;
    reg [8:0] words [0:2047];
    initial $readmemh(FILE, words);

    reg [35:0] out_a = 0, out_b = 0;
    // What each port has before it, always four words of 9 bits, and what it makes of them.
    wire [10:0] at_a = wide ? {ADA[13:5], 2'b00} : DATA_WIDTH_A == 18 ? {ADA[13:4], 1'b0} : ADA[13:3];
    wire [10:0] at_b = DATA_WIDTH_B == 36 ? {ADB[13:5], 2'b00} : DATA_WIDTH_B == 18 ? {ADB[13:4], 1'b0} : ADB[13:3];
    wire [35:0] old_a = {words[at_a | 3], words[at_a | 2], words[at_a | 1], words[at_a]};
    wire [35:0] old_b = {words[at_b | 3], words[at_b | 2], words[at_b | 1], words[at_b]};
    wire [35:0] mask_a, mask_b, data_a, data_b;
    DP16KD_PORT #(.WIDTH(DATA_WIDTH_A)) port_a (
        .writes(CEA && (wide || WEA)), .low(ADA[3:0]), .given({DIB, DIA}), .mask(mask_a), .data(data_a));
    DP16KD_PORT #(.WIDTH(DATA_WIDTH_B)) port_b (
        .writes(CEB && WEB && !wide), .low(ADB[3:0]), .given({18'b0, DIB}), .mask(mask_b), .data(data_b));
    wire [35:0] new_a = data_a & mask_a | old_a & ~mask_a, new_b = data_b & mask_b | old_b & ~mask_b;
    wire [35:0] clash_a, clash_b;
    genvar n, k;
    generate for (n = 0; n < 4; n = n + 1) begin
        wire [3:0] same_a, same_b;
        wire [8:0] hit_a [0:4], hit_b [0:4];
        assign hit_a[0] = 0, hit_b[0] = 0;
        for (k = 0; k < 4; k = k + 1) begin
            assign hit_a[k + 1] = hit_a[k] | ((at_a | n) == (at_b | k) ? mask_b[9 * k +: 9] : 9'b0);
            assign hit_b[k + 1] = hit_b[k] | ((at_b | n) == (at_a | k) ? mask_a[9 * k +: 9] : 9'b0);
        end
        assign clash_a[9 * n +: 9] = hit_a[4], clash_b[9 * n +: 9] = hit_b[4];
        always @(posedge CLKA) if (|mask_a[9 * n +: 9]) words[at_a | n] <= new_a[9 * n +: 9];
        always @(posedge CLKB) if (|mask_b[9 * n +: 9]) words[at_b | n] <= new_b[9 * n +: 9];
    end endgenerate
    reg [2:0] place_a = 0, place_b = 0;
    always @(posedge CLKA) if (CEA && (!WEA || WRITEMODE_A != "NORMAL")) begin
        out_a <= (WRITEMODE_A == "WRITETHROUGH" ? new_a : old_a) ^ clash_a;
        place_a <= ADA[2:0];
    end
    always @(posedge CLKB) if (CEB && (!WEB || WRITEMODE_B != "NORMAL")) begin
        out_b <= (WRITEMODE_B == "WRITETHROUGH" ? new_b : old_b) ^ clash_b;
        place_b <= ADB[2:0];
    end
    wire [17:0] read_a, read_b;
    DP16KD_OUT #(.WIDTH(DATA_WIDTH_A)) pins_a (.found(out_a[17:0]), .place(place_a), .out(read_a));
    DP16KD_OUT #(.WIDTH(DATA_WIDTH_B)) pins_b (.found(out_b[17:0]), .place(place_b), .out(read_b));
    assign DOA = DATA_WIDTH_B == 36 ? out_b[17:0] : read_a;
    assign DOB = DATA_WIDTH_B == 36 ? out_b[35:18] : read_b;
endmodule

// Which of the bits at a port's address it writes, and what.
module DP16KD_PORT #(parameter WIDTH = 18) (
    input writes,
    input [3:0] low,            // of the address
    input [35:0] given,
    output reg [35:0] mask, data
);
    always @* begin
        mask = 0;
        data = given;
        if (WIDTH == 36) mask = {{9{low[3]}}, {9{low[2]}}, {9{low[1]}}, {9{low[0]}}};
        else if (WIDTH == 18) mask = {18'b0, {9{low[1]}}, {9{low[0]}}};
        else if (WIDTH == 9) mask = 36'h1FF;
        else begin
            mask = ((36'd1 << WIDTH) - 1) << (low[2:0] & ~(WIDTH - 1));
            data = given << (low[2:0] & ~(WIDTH - 1));
        end
        if (!writes) mask = 0;
    end
endmodule

// What of the bits at a port's address comes out of it.
module DP16KD_OUT #(parameter WIDTH = 18) (
    input [17:0] found,
    input [2:0] place,          // of the address
    output [17:0] out
);
    assign out = WIDTH >= 18 ? found : WIDTH == 9 ? {9'b0, found[8:0]} :
        (found >> (place & ~(WIDTH - 1))) & ((18'd1 << WIDTH) - 1);
endmodule

// Multiplier without registers (Lattice FPGA-TN-02205); a pin says of each factor whether it is signed.
module MULT18X18D (
    input [17:0] A, B,
    input SIGNEDA, SIGNEDB,
    output [35:0] P
);
    wire signed [35:0] a = {{18{SIGNEDA & A[17]}}, A}, b = {{18{SIGNEDB & B[17]}}, B};
    assign P = a * b;
endmodule

// The PLL's output is its input: a simulation has one clock, that which the PLL makes. It locks after some cycles, until
// when designs keep themselves in reset.
module EHXPLLL (input CLKI, output CLKOP, LOCK);
    reg [3:0] seen = 0;
    assign CLKOP = CLKI, LOCK = &seen;
    always @(posedge CLKI) if (!LOCK) seen <= seen + 1;
endmodule

module DCCA (input CLKI, output CLKO);
    assign CLKO = CLKI;
endmodule

module TRELLIS_IO_IN (input B, output O);
    assign O = B;
endmodule

module TRELLIS_IO_OUT (input I, output B);
    assign B = I;
endmodule
