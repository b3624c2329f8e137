"""VexRiscv with caches, multiplier, divider and the port for custom instructions."""

from hw.soc.cpus._cpu import Cpu, CustomPort

__all__ = ["CPU"]

# The CPU traps every custom instruction until the top bit is set here. The same register masks the external
# interrupts, so whoever sets that mask keeps this bit.
ENABLE_CSR, ENABLE = 0xBC0, 0x80000000

BENCH = """
module bench_cpu(
    input clk, input reset, input interrupt,
    output ibus_cyc, output ibus_stb, input ibus_ack, output [29:0] ibus_adr, input [31:0] ibus_dat_r,
    output dbus_cyc, output dbus_stb, input dbus_ack, output dbus_we, output [29:0] dbus_adr, output [3:0] dbus_sel,
    output [31:0] dbus_dat_w, input [31:0] dbus_dat_r,
    output cmd_valid, input cmd_ready, output [9:0] cmd_function_id,
    output [31:0] cmd_inputs_0, output [31:0] cmd_inputs_1,
    input rsp_valid, output rsp_ready, input [31:0] rsp_outputs
);
    VexRiscv cpu(
        .externalResetVector(32'd0), .timerInterrupt(1'b0), .softwareInterrupt(1'b0),
        .externalInterruptArray({31'd0, interrupt}),
        .CfuPlugin_bus_cmd_valid(cmd_valid), .CfuPlugin_bus_cmd_ready(cmd_ready),
        .CfuPlugin_bus_cmd_payload_function_id(cmd_function_id),
        .CfuPlugin_bus_cmd_payload_inputs_0(cmd_inputs_0), .CfuPlugin_bus_cmd_payload_inputs_1(cmd_inputs_1),
        .CfuPlugin_bus_rsp_valid(rsp_valid), .CfuPlugin_bus_rsp_ready(rsp_ready),
        .CfuPlugin_bus_rsp_payload_outputs_0(rsp_outputs),
        .iBusWishbone_CYC(ibus_cyc), .iBusWishbone_STB(ibus_stb), .iBusWishbone_ACK(ibus_ack), .iBusWishbone_WE(),
        .iBusWishbone_ADR(ibus_adr), .iBusWishbone_DAT_MISO(ibus_dat_r), .iBusWishbone_DAT_MOSI(),
        .iBusWishbone_SEL(), .iBusWishbone_ERR(1'b0), .iBusWishbone_CTI(), .iBusWishbone_BTE(),
        .dBusWishbone_CYC(dbus_cyc), .dBusWishbone_STB(dbus_stb), .dBusWishbone_ACK(dbus_ack),
        .dBusWishbone_WE(dbus_we), .dBusWishbone_ADR(dbus_adr), .dBusWishbone_DAT_MISO(dbus_dat_r),
        .dBusWishbone_DAT_MOSI(dbus_dat_w), .dBusWishbone_SEL(dbus_sel), .dBusWishbone_ERR(1'b0),
        .dBusWishbone_CTI(), .dBusWishbone_BTE(), .clk(clk), .reset(reset));
endmodule
"""

CPU = Cpu(
    name="vexriscv", title="VexRiscv", litex_type="vexriscv", litex_variant="full+cfu",
    package="pythondata-cpu-vexriscv", verilog=("VexRiscv_FullCfu.v",), march="rv32im", mabi="ilp32",
    start=("la t0, trap_entry", "csrw mtvec, t0", "csrw mie, zero",
           f"li t0, {ENABLE:#x}", f"csrw {ENABLE_CSR:#x}, t0"),
    trap=("csrr a0, mcause", "csrr a1, mepc", "csrr a2, mtval"),
    cycle_csr="mcycle", uncached_base=0x80000000,
    custom=CustomPort(enable_csr=ENABLE_CSR, enable=ENABLE, bench=BENCH))
