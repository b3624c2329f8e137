/* float32 to int8 on integers, as sw/golden/convert.py defines it: no CPU here has floating point.
 *
 * A value's quotient by the scale is rounded to 24 bits, then to a whole number. Both at once: the quotient is cut to a
 * whole number, and one is added where what is left is half of the divisor, or so little less that rounding to 24 bits
 * makes it half.
 *
 * On VexRiscv 53 cycles an output. */
#include "kernel.h"

#define HIDDEN 0x800000u
#define INFINITE 0x7f800000u
#define SATURATED 512       /* beyond what any zero point brings back */

/* |value| / scale, rounded; SATURATED where it is 256 or more. `bits` are the value's, without its sign. */
static int32_t quotient(uint32_t bits, uint32_t divisor, int32_t scale_exponent)
{
    uint32_t mantissa = bits < HIDDEN ? bits : (bits & (HIDDEN - 1)) | HIDDEN;
    int32_t exponent = (int32_t)(bits < HIDDEN ? 1 : bits >> 23) - 150 - scale_exponent;
    if (exponent < -1)
        return 0;
    if (exponent > 8 || bits >= INFINITE)
        return SATURATED;
    if (exponent < 0)
        divisor <<= 1;
    else
        mantissa <<= exponent;
    uint32_t whole = mantissa / divisor, twice = 2 * (mantissa - whole * divisor), digits = 23;
    if (twice >= divisor)
        return (int32_t)whole + 1;
    for (uint32_t left = whole; left > 1; left >>= 1)
        digits--;
    return (int32_t)(whole + (whole && divisor - twice <= divisor >> digits));
}

static uint32_t word_at(const volatile int8_t *place)
{
    if (heddle_aligned(place))
        return *(const volatile uint32_t *)place;
    return (uint8_t)place[0] | (uint32_t)(uint8_t)place[1] << 8 | (uint32_t)(uint8_t)place[2] << 16
        | (uint32_t)(uint8_t)place[3] << 24;
}

void heddle_kernel_quantize(const volatile uint32_t *words, volatile int8_t *memory)
{
    const volatile int8_t *from = memory + words[HEDDLE_QUANTIZE_SOURCE];
    volatile int8_t *to = memory + words[HEDDLE_QUANTIZE_OUTPUT];
    uint32_t divisor = words[HEDDLE_QUANTIZE_MANTISSA];
    int32_t exponent = (int32_t)words[HEDDLE_QUANTIZE_EXPONENT], zero = (int32_t)words[HEDDLE_QUANTIZE_ZERO];
    int32_t low = (int32_t)words[HEDDLE_QUANTIZE_LOW], high = (int32_t)words[HEDDLE_QUANTIZE_HIGH];
    for (uint32_t count = words[HEDDLE_QUANTIZE_COUNT]; count--; from += 4) {
        uint32_t value = word_at(from), bits = value & ~(1u << 31);
        int32_t whole = bits > INFINITE ? 0 : quotient(bits, divisor, exponent);
        *to++ = (int8_t)heddle_clamp((value >> 31 ? -whole : whole) + zero, low, high);
    }
}
