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

#ifdef HEDDLE_MULTIPLIES
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
#else
#define UNSURE 16       /* bits of a quotient's fraction; closer to a tie than its last one, the definition decides */
#define DROPPED 4       /* bits of a power, which change a quotient by less than 2**-19 */

/* The same where a multiplication takes a thousand instructions. An output is round(256 * power / sum), but for the
 * roundings of the definition, which change a quotient by less than 2**-20 (tests/sw/firmware/test_kernels.py): long
 * division gives it, and where it is as close as 2**-16 to a tie the definition does. On SERV 38,000 to 44,000 cycles for
 * 12 outputs. */

/* By the definition. */
static uint32_t by_definition(uint32_t total, uint32_t power)
{
    uint32_t shift = SUM_BITS + 31 - 8;
    for (; !(total >> 31); total <<= 1)
        shift--;
    int32_t scale = heddle_inverse(total << 1 >> 1);
    return shift < 32 ? ((uint32_t)heddle_high(scale, (int32_t)power) + (1u << (shift - 1))) >> shift : 0;
}

/* `one` is what a power of 27 bits is an output of 1 of, and `most` as often its double until it has these 27. */
static inline uint32_t quotient(uint32_t power, uint32_t one, uint32_t most)
{
    uint32_t rest = (power >> DROPPED) + (one >> 1), margin = one >> UNSURE, found = 0;
    do {
        found <<= 1;
        if (rest >= most) {
            rest -= most;
            found++;
        }
        most >>= 1;
    } while (most >= one);
    return rest - margin > one - 2 * margin ? by_definition(one, power) : found;
}

HEDDLE_OFTEN void heddle_kernel_softmax(const volatile uint32_t *words, volatile int8_t *memory)
{
    /* nothing else writes there meanwhile, and to read a volatile byte takes three instructions */
    const int8_t *in = (const int8_t *)memory + words[HEDDLE_SOFTMAX_SOURCE];
    int8_t *out = (int8_t *)memory + words[HEDDLE_SOFTMAX_OUTPUT];
    uint32_t channels = words[HEDDLE_SOFTMAX_CHANNELS], entries = words[HEDDLE_SOFTMAX_ENTRIES];
    const uint32_t *powers = (const uint32_t *)&words[HEDDLE_SOFTMAX_TABLE];
    for (uint32_t rows = words[HEDDLE_SOFTMAX_ROWS]; rows--; out += channels) {
        const int8_t *end = in + channels;
        uint32_t total = 0;
        int most = -128;
        for (const int8_t *each = in; each < end; each++)
            most = *each > most ? *each : most;
        for (const int8_t *each = in; each < end; each++) {
            uint32_t below = (uint32_t)(most - *each);
            if (below < entries)
                total += (powers[below] + (1 << (SUM_BITS - 1))) >> SUM_BITS;
        }
        /* powers of 2**31 are outputs of 256, and 2**19 of the sum are 1: what is left of a power when 4 bits are
         * dropped is as often in the sum as its output says */
        uint32_t top = total, nothing = (total >> 1) - (total >> UNSURE);
        while (!(top >> (31 - DROPPED)))
            top <<= 1;
        for (uint32_t n = 0; in < end; n++) {
            uint32_t below = (uint32_t)(most - *in++), value = 0, power = below < entries ? powers[below] : 0;
            if (power >> DROPPED >= nothing)
                value = quotient(power, total, top);
            out[n] = (int8_t)(value > 255 ? 127 : (int)value - 128);
        }
    }
}
#endif
