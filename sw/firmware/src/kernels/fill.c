/* Bytes of one value.
 *
 * On VexRiscv 2 cycles a byte. */
#include "kernel.h"

void heddle_kernel_fill(const volatile uint32_t *words, volatile int8_t *memory)
{
    volatile int8_t *to = memory + words[HEDDLE_FILL_OUTPUT];
    uint32_t bytes = words[HEDDLE_FILL_BYTES], four = (words[HEDDLE_FILL_VALUE] & 255) * 0x01010101u;
    for (; bytes && !heddle_aligned(to); bytes--)
        *to++ = (int8_t)four;
    for (; bytes >= 4; bytes -= 4, to += 4)
        *(volatile uint32_t *)to = four;
    while (bytes--)
        *to++ = (int8_t)four;
}
