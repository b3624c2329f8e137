// A CPU alone with a memory: for benches of its custom-function port. `bench_cpu` comes from the CPU's file.
//
// Memory: 64 KB from address 0, also seen uncached from 0x80000000; with `slow` its accesses take a random time. Writes
// to 0xF0000000 leave by `out`, to 0xF0000004 take back the interrupt, to 0xF0000008 end the program. With `external`
// the bench answers the custom-function port by the ports `bench_*`; without it the module Cfu does, and `stall` keeps
// its responses from the CPU. `cmd_*` and `rsp_*` show the port.
`timescale 1ns / 1ps
module cpu_top(
    input clk, input reset, input slow, input external, input stall,
    input load_valid, input [31:0] load_address, input [31:0] load_data,
    input interrupt_set, output reg interrupt,
    output reg out_valid, output reg [31:0] out_data, output reg finished,
    input bench_cmd_ready, input bench_rsp_valid, input [31:0] bench_rsp_outputs,
    output cmd_valid, output cmd_ready, output [9:0] cmd_function_id,
    output [31:0] cmd_inputs_0, output [31:0] cmd_inputs_1,
    output rsp_valid, output rsp_ready, output [31:0] rsp_outputs
);
    localparam WORDS = 16384;
    reg [31:0] memory [0:WORDS-1];
    reg [31:0] noise;
    wire ibus_cyc, ibus_stb, dbus_cyc, dbus_stb, dbus_we;
    wire [29:0] ibus_adr, dbus_adr;
    wire [31:0] dbus_dat_w;
    wire [3:0] dbus_sel;
    reg ibus_ack, dbus_ack;
    reg [31:0] ibus_dat_r, dbus_dat_r;
    wire device = dbus_adr[29:26] == 4'hF;

    integer n;
    always @(posedge clk) begin
        noise <= reset ? 32'h1234567 : {noise[30:0], noise[31] ^ noise[21] ^ noise[1] ^ noise[0]};
        ibus_ack <= ibus_cyc & ibus_stb & ~ibus_ack & ~(slow & noise[1:0] != 0);
        ibus_dat_r <= memory[ibus_adr[13:0]];
        dbus_ack <= dbus_cyc & dbus_stb & ~dbus_ack & ~(slow & noise[10:9] != 0);
        dbus_dat_r <= memory[dbus_adr[13:0]];
        out_valid <= 0;
        if (interrupt_set) interrupt <= 1;
        if (dbus_cyc & dbus_stb & dbus_ack & dbus_we) begin
            if (!device) begin
                for (n = 0; n < 4; n = n + 1)
                    if (dbus_sel[n]) memory[dbus_adr[13:0]][8 * n +: 8] <= dbus_dat_w[8 * n +: 8];
            end else if (dbus_adr[1:0] == 0) begin
                out_valid <= 1;
                out_data <= dbus_dat_w;
            end else if (dbus_adr[1:0] == 1) interrupt <= 0;
            else finished <= 1;
        end
        if (load_valid) memory[load_address[15:2]] <= load_data;
        if (reset) begin
            interrupt <= 0; finished <= 0; ibus_ack <= 0; dbus_ack <= 0;
        end
    end

    // A response that was offered stays offered.
    reg offered;
    wire unit_cmd_ready, unit_rsp_valid, held_back = stall & ~offered;
    wire [31:0] unit_rsp_outputs;
    always @(posedge clk) offered <= ~reset & unit_rsp_valid & ~held_back & ~rsp_ready;
    Cfu unit(
        .clk(clk), .reset(reset), .cmd_valid(cmd_valid & ~external), .cmd_ready(unit_cmd_ready),
        .cmd_payload_function_id(cmd_function_id), .cmd_payload_inputs_0(cmd_inputs_0),
        .cmd_payload_inputs_1(cmd_inputs_1), .rsp_valid(unit_rsp_valid), .rsp_ready(rsp_ready & ~held_back),
        .rsp_payload_outputs_0(unit_rsp_outputs));
    assign cmd_ready = external ? bench_cmd_ready : unit_cmd_ready;
    assign rsp_valid = external ? bench_rsp_valid : unit_rsp_valid & ~held_back;
    assign rsp_outputs = external ? bench_rsp_outputs : unit_rsp_outputs;

    bench_cpu cpu(
        .clk(clk), .reset(reset), .interrupt(interrupt),
        .ibus_cyc(ibus_cyc), .ibus_stb(ibus_stb), .ibus_ack(ibus_ack), .ibus_adr(ibus_adr), .ibus_dat_r(ibus_dat_r),
        .dbus_cyc(dbus_cyc), .dbus_stb(dbus_stb), .dbus_ack(dbus_ack), .dbus_we(dbus_we), .dbus_adr(dbus_adr),
        .dbus_sel(dbus_sel), .dbus_dat_w(dbus_dat_w), .dbus_dat_r(dbus_dat_r),
        .cmd_valid(cmd_valid), .cmd_ready(cmd_ready), .cmd_function_id(cmd_function_id),
        .cmd_inputs_0(cmd_inputs_0), .cmd_inputs_1(cmd_inputs_1),
        .rsp_valid(rsp_valid), .rsp_ready(rsp_ready), .rsp_outputs(rsp_outputs));
endmodule
