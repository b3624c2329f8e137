/* TFLite's int8 softmax of each row, as sw/golden/softmax.py defines it: a number of n integer bits has 31 - n
 * fractional ones. The exponentials come with the call, so a row takes a multiplication for each output, and those of
 * one reciprocal. On VexRiscv 111 cycles an output and 217 a row. */
#include "kernel.h"

#define SUM_BITS 12                     /* integer bits of the sum of exponentials */
#define FIRST_ESTIMATE 1515870810       /* 48/17, of 2 integer bits */
#define SLOPE (-1010580540)             /* -32/17 */
#define NEWTON_STEPS 3

int32_t heddle_inverse(uint32_t part)
{
    int32_t half = (int32_t)((part >> 1) + (1u << 30));      /* (1 + part) / 2 */
    int32_t estimate = FIRST_ESTIMATE + heddle_high(half, SLOPE);
    for (int n = 0; n < NEWTON_STEPS; n++) {
        int32_t missing = (1 << 29) - heddle_high(half, estimate);
        estimate += heddle_high(estimate, missing) * 4;
    }
    return estimate >= 1 << 30 ? INT32_MAX : estimate * 2;
}

void heddle_kernel_softmax(const volatile uint32_t *words, volatile int8_t *memory)
{
    const volatile int8_t *in = memory + words[HEDDLE_SOFTMAX_SOURCE];
    volatile int8_t *out = memory + words[HEDDLE_SOFTMAX_OUTPUT];
    uint32_t channels = words[HEDDLE_SOFTMAX_CHANNELS], entries = words[HEDDLE_SOFTMAX_ENTRIES];
    const volatile uint32_t *powers = &words[HEDDLE_SOFTMAX_TABLE];
    for (uint32_t rows = words[HEDDLE_SOFTMAX_ROWS]; rows--; in += channels, out += channels) {
        int most = -128;
        uint32_t total = 0, shift = SUM_BITS + 31 - 8;
        for (uint32_t n = 0; n < channels; n++) {
            int value = in[n];
            most = value > most ? value : most;
        }
        for (uint32_t n = 0; n < channels; n++) {
            uint32_t below = (uint32_t)(most - in[n]);
            if (below < entries)
                total += (powers[below] + (1 << (SUM_BITS - 1))) >> SUM_BITS;
        }
        for (; !(total >> 31); total <<= 1)
            shift--;
        int32_t scale = heddle_inverse(total << 1 >> 1);
        for (uint32_t n = 0; n < channels; n++) {
            uint32_t below = (uint32_t)(most - in[n]), value = 0;
            if (below < entries && shift < 32)
                value = ((uint32_t)heddle_high(scale, (int32_t)powers[below]) + (1u << (shift - 1))) >> shift;
            out[n] = (int8_t)(value > 255 ? 127 : (int)value - 128);
        }
    }
}
