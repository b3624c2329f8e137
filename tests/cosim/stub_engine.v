// An engine that is none: it has the ports and registers of heddle_engine and "runs" a program by adding one to every
// input byte, a byte a cycle. The program address chooses how it fails: 1 never ends, 2 ends with BAD_OPCODE at
// layer 3, 3 reports another ticket, 4 kills the simulator, 5 blocks the bus. With 6 it adds, a byte for each beat, what
// the memory outside has at STREAM; with 7 it asks that for a beat too many.
module heddle_engine(
    input clk, input rst,
    input bus__cyc, input bus__stb, input bus__we, input [3:0] bus__sel, input [18:0] bus__adr, input [31:0] bus__dat_w,
    output reg [31:0] bus__dat_r, output reg bus__ack, output reg irq,
    output reg memory__request__valid, input memory__request__ready, output [31:0] memory__request__payload__address,
    output [15:0] memory__request__payload__beats, input memory__data__valid, input [15:0] memory__data__payload
);
    reg [7:0] acts [0:4095];
    reg [31:0] weights [0:4095];
    reg [31:0] ticket = 0, done = 0, cycles = 0, program_word = 0, stream = 0, at = 0;
    reg busy = 0;
    wire [11:0] act = {bus__adr[9:0], 2'b00};
    wire access = bus__cyc & bus__stb & ~bus__ack & ~(program_word == 5 & bus__adr == 3);
    wire streams = program_word == 6 | program_word == 7;
    assign memory__request__payload__address = stream;
    assign memory__request__payload__beats = weights[5] + (program_word == 7);
    integer n;
    always @(posedge clk) begin
        irq <= 0;
        bus__ack <= access;
        if (access & bus__we) begin
            if (bus__adr[18]) weights[bus__adr[11:0]] <= bus__dat_w;
            else if (bus__adr[17]) begin
                for (n = 0; n < 4; n = n + 1) if (bus__sel[n]) acts[act + n] <= bus__dat_w[8 * n +: 8];
            end else if (bus__adr == 6) program_word <= bus__dat_w;
            else if (bus__adr == 8) stream <= bus__dat_w;
            else if (bus__adr == 2) begin
                ticket <= bus__dat_w; busy <= 1; cycles <= 0; at <= 0;
                memory__request__valid <= streams;
                if (program_word == 4) $fatal(1, "planted");
            end
        end
        if (access & ~bus__we) begin
            if (bus__adr[17]) bus__dat_r <= {acts[act + 3], acts[act + 2], acts[act + 1], acts[act]};
            else case (bus__adr)
                0: bus__dat_r <= 32'hc0ffee;
                3: bus__dat_r <= done;
                4: bus__dat_r <= {program_word == 2 ? 16'd3 : 16'd0, program_word == 2 ? 8'd2 : 8'd0, 7'd0, busy};
                5: bus__dat_r <= cycles;
                7: bus__dat_r <= 32'h1234;
                default: bus__dat_r <= cycles + bus__adr;
            endcase
        end
        if (memory__request__valid & memory__request__ready) memory__request__valid <= 0;
        if (busy) cycles <= cycles + 1;
        if (busy & (~streams | memory__data__valid)) begin
            at <= at + 1;
            acts[weights[6] + at] <= acts[weights[4] + at] + (streams ? memory__data__payload[7:0] : 1);
            if (at + 1 == weights[5] && program_word != 1) begin
                busy <= 0; irq <= 1; done <= ticket + (program_word == 3);
            end
        end
    end
endmodule
