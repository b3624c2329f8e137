// An engine that is none: it has the ports and registers of heddle_engine and "runs" a program by adding one to every
// input byte, a byte a cycle. The program address chooses how it fails: 1 never ends, 2 ends with BAD_OPCODE at
// layer 3, 3 takes no ticket, 4 never answers on the bus again.
module heddle_engine(
    input clk, input rst,
    input bus__cyc, input bus__stb, input bus__we, input [3:0] bus__sel, input [18:0] bus__adr, input [31:0] bus__dat_w,
    output reg [31:0] bus__dat_r, output reg bus__ack, output irq
);
    reg [31:0] acts [0:1023];
    reg [31:0] weights [0:1023];
    reg [31:0] ticket, done, cycles, program_word, stream, at;
    reg busy;
    assign irq = 0;
    wire access = bus__cyc & bus__stb & ~bus__ack;
    wire [31:0] from = weights[4] + at, to = weights[6] + at;
    wire [7:0] sum = acts[from[11:2]][8 * from[1:0] +: 8] + 1;
    integer n;
    always @(posedge clk) begin
        bus__ack <= access & ~(program_word == 4 & busy);
        if (access & bus__we) begin
            if (bus__adr[18]) weights[bus__adr[9:0]] <= bus__dat_w;
            else if (bus__adr[17]) begin
                for (n = 0; n < 4; n = n + 1) if (bus__sel[n]) acts[bus__adr[9:0]][8 * n +: 8] <= bus__dat_w[8 * n +: 8];
            end else if (bus__adr == 6) program_word <= bus__dat_w;
            else if (bus__adr == 8) stream <= bus__dat_w;
            else if (bus__adr == 2 & ~busy & program_word != 3) begin
                ticket <= bus__dat_w; busy <= 1; cycles <= 0; at <= 0;
            end
        end
        if (access & ~bus__we)
            casez ({bus__adr[18:17], bus__adr[16:0]})
                {2'b1?, 17'b?}: bus__dat_r <= weights[bus__adr[9:0]];
                {2'b01, 17'b?}: bus__dat_r <= acts[bus__adr[9:0]];
                0: bus__dat_r <= 32'hc0ffee;
                1: bus__dat_r <= 2;
                2: bus__dat_r <= ticket;
                3: bus__dat_r <= done;
                4: bus__dat_r <= {program_word == 2 ? 16'd3 : 16'd0, program_word == 2 ? 8'd2 : 8'd0, 7'd0, busy};
                5: bus__dat_r <= cycles;
                7: bus__dat_r <= 32'h1234;
                8: bus__dat_r <= stream;
                default: bus__dat_r <= bus__adr;
            endcase
        if (busy) begin
            cycles <= cycles + 1;
            at <= at + 1;
            if (at < weights[5]) acts[to[11:2]][8 * to[1:0] +: 8] <= sum;
            if (at + 1 >= weights[5] && program_word != 1 && program_word != 4) begin
                busy <= 0; done <= ticket;
            end
        end
        if (rst) begin
            ticket <= 0; done <= 0; cycles <= 0; program_word <= 0; busy <= 0; bus__ack <= 0;
        end
    end
endmodule
