/* Start: traps first, then the custom instructions, then C. A trap is reported and starts the program again. */
#include "heddle_config.h"

    .section .text.start, "ax"
    .globl _start
_start:
    la      t0, trap_entry
    csrw    mtvec, t0
    csrw    mie, zero
    la      sp, heddle_stack_top
    li      t0, HEDDLE_CFU_ENABLE
    csrw    HEDDLE_CFU_ENABLE_CSR, t0

    la      t0, heddle_data_load
    la      t1, heddle_data_start
    la      t2, heddle_data_end
1:  bgeu    t1, t2, 2f
    lw      t3, 0(t0)
    sw      t3, 0(t1)
    addi    t0, t0, 4
    addi    t1, t1, 4
    j       1b
2:  la      t2, heddle_bss_end
3:  bgeu    t1, t2, 4f
    sw      zero, 0(t1)
    addi    t1, t1, 4
    j       3b
4:  call    main
    j       _start

    .balign 4
trap_entry:
    la      sp, heddle_stack_top
    csrr    a0, mcause
    csrr    a1, mepc
    csrr    a2, mtval
    call    heddle_trap
    j       _start

/* A program that wants to hear of traps defines its own. */
    .weak   heddle_trap
heddle_trap:
    ret
