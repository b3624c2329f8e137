/* What comes with the call: a constant of the network, or the value that a state begins with.
 *
 * On VexRiscv 3.4 cycles a byte. */
#include "kernel.h"

void heddle_kernel_constant(const volatile uint32_t *words, volatile int8_t *memory)
{
    heddle_move(memory + words[HEDDLE_CONSTANT_OUTPUT], (const volatile int8_t *)&words[HEDDLE_CONSTANT_TABLE],
                words[HEDDLE_CONSTANT_BYTES]);
}
