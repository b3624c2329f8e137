/* Start: first what the CPU wants, then C. A trap is reported and starts the program again. */
#include "heddle_config.h"

    .section .text.start, "ax"
    .globl _start
_start:
    heddle_cpu_start
    la      sp, heddle_stack_top

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
4:
#ifdef HEDDLE_FLASH_IMAGE
    la      t0, heddle_rest_load
    la      t1, heddle_rest_start
    la      t2, heddle_rest_end
5:  bgeu    t1, t2, 6f
    lw      t3, 0(t0)
    sw      t3, 0(t1)
    addi    t0, t0, 4
    addi    t1, t1, 4
    j       5b
6:
#endif
    call    main
    j       _start

    .balign 4
trap_entry:
    la      sp, heddle_stack_top
    heddle_cpu_trap
    call    heddle_trap
    j       _start

/* A program that wants to hear of traps defines its own. */
    .weak   heddle_trap
heddle_trap:
    ret
