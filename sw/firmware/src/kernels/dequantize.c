/* int8 to float32 on integers: the exact product of a difference and the scale, rounded once, ties to even.
 *
 * On VexRiscv 97 cycles an output. */
#include "kernel.h"

#define HIDDEN 0x800000u
#define INFINITE 0x7f800000u

static uint32_t real(int32_t difference, uint32_t mantissa, int32_t exponent)
{
    uint32_t product = mantissa * (uint32_t)(difference < 0 ? -difference : difference), shift = 0;
    if (!product)
        return 0;
    for (uint32_t step = 4; step; step >>= 1)        /* of the product's 24 to 32 bits all but 24 */
        if (product >> shift >> (23 + step))
            shift += step;
    if (product >> shift >> 24)
        shift++;
    if (shift)
        product = (product + (1u << (shift - 1)) - 1 + (product >> shift & 1)) >> shift;
    if (product == 2 * HIDDEN)
        product >>= 1, shift++;
    uint32_t biased = (uint32_t)(exponent + 150) + shift, sign = difference < 0 ? 1u << 31 : 0;
    return sign | (biased > 254 ? INFINITE : biased << 23 | (product & (HIDDEN - 1)));
}

void heddle_kernel_dequantize(const volatile uint32_t *words, volatile int8_t *memory)
{
    const volatile int8_t *from = memory + words[HEDDLE_DEQUANTIZE_SOURCE];
    volatile int8_t *to = memory + words[HEDDLE_DEQUANTIZE_OUTPUT];
    uint32_t mantissa = words[HEDDLE_DEQUANTIZE_MANTISSA];
    int32_t exponent = (int32_t)words[HEDDLE_DEQUANTIZE_EXPONENT], zero = (int32_t)words[HEDDLE_DEQUANTIZE_ZERO];
    for (uint32_t count = words[HEDDLE_DEQUANTIZE_COUNT]; count--; to += 4) {
        uint32_t value = real(*from++ - zero, mantissa, exponent);
        if (heddle_aligned(to)) {
            *(volatile uint32_t *)to = value;
            continue;
        }
        for (int n = 0; n < 4; n++, value >>= 8)
            to[n] = (int8_t)value;
    }
}
