/* TFLite's int8 log-softmax of each row, as sw/golden/log_softmax.py defines it. What each difference to the maximum
 * adds to the sum of exponentials comes with the call, so a row takes one logarithm, and an output a multiplication.
 *
 * On VexRiscv 133 cycles an output and 630 a row. */
#include "kernel.h"

#define OUTPUT_BITS 22              /* fractional bits that an output has fewer than a difference */
#define ROOT_HALF 1518500250        /* of 31 fractional bits, as all below: 2**-(1/2) */
#define FOURTH_ROOT_HALF 1805811301 /* 2**-(1/4) */
#define LOG_2 1488522236
#define ABOVE 117049297             /* 11/240 * 2**(1/4) */
#define BELOW_SQUARE 127690142      /* 1/20 * 2**(1/4) */
#define BELOW_ONE 1057819769        /* 2 * 2**-(1/4) - 2**(1/4) */
#define BELOW_LINEAR 638450708      /* 1/4 * 2**(1/4) */

/* Once in the ROM, for the many that a logarithm takes. */
static __attribute__((noinline)) int32_t times(int32_t a, int32_t b)
{
    return heddle_high(a, b);
}

static uint32_t leading_zeros(uint32_t value)
{
    uint32_t count = 0;
    for (; !(value >> 31); value <<= 1)
        count++;
    return count;
}

static int32_t shifted(uint32_t value, uint32_t shift)
{
    return value >> (31 - shift) ? INT32_MAX : (int32_t)(value << shift);
}

/* log(total), of 12 integer bits and 1 or more, with 5 integer bits: of a power of two and a number near
 * FOURTH_ROOT_HALF, around which a rational function serves. */
static int32_t logarithm(uint32_t total)
{
    uint32_t headroom = leading_zeros(total);
    uint32_t halved = leading_zeros((uint32_t)times((int32_t)total, ROOT_HALF)) - 1;
    int32_t r = shifted((uint32_t)times(shifted(total, headroom - 1), ROOT_HALF), 1);
    int32_t other = shifted(total, halved);
    int32_t power = (12 - (int32_t)headroom) * (1 << 25) + (1 << 23);
    int32_t other_power = (12 - (int32_t)halved) * (1 << 25) - (1 << 23);
    r = other < r ? other : r;
    power = other_power > power ? other_power : power;
    int32_t p = (int32_t)(((uint32_t)r + FOURTH_ROOT_HALF + 1) >> 1), q = 2 * (r - FOURTH_ROOT_HALF);
    int32_t square = times(q, q);
    int32_t above = times(q, r) + times(times(q, square), ABOVE);
    int32_t below = times(p, BELOW_ONE + q + times(BELOW_SQUARE, square)) + times(BELOW_LINEAR, q);
    int32_t sum = times(power, LOG_2)
        + times(heddle_round_shift(above, 6), heddle_inverse((uint32_t)below));
    return sum >= 1 << 30 ? INT32_MAX : 2 * sum;
}

void heddle_kernel_log_softmax(const volatile uint32_t *words, volatile int8_t *memory)
{
    const volatile int8_t *in = memory + words[HEDDLE_LOG_SOFTMAX_SOURCE];
    volatile int8_t *out = memory + words[HEDDLE_LOG_SOFTMAX_OUTPUT];
    uint32_t channels = words[HEDDLE_LOG_SOFTMAX_CHANNELS], entries = words[HEDDLE_LOG_SOFTMAX_ENTRIES];
    const volatile uint32_t *powers = &words[HEDDLE_LOG_SOFTMAX_TABLE];
    int32_t multiplier = (int32_t)words[HEDDLE_LOG_SOFTMAX_MULTIPLIER], left = (int32_t)words[HEDDLE_LOG_SOFTMAX_LEFT];
    int32_t divisor = (int32_t)words[HEDDLE_LOG_SOFTMAX_DIVISOR], right = (int32_t)words[HEDDLE_LOG_SOFTMAX_RIGHT];
    for (uint32_t rows = words[HEDDLE_LOG_SOFTMAX_ROWS]; rows--; in += channels, out += channels) {
        int most = -128;
        uint32_t total = 0;
        for (uint32_t n = 0; n < channels; n++) {
            int value = in[n];
            most = value > most ? value : most;
        }
        for (uint32_t n = 0; n < channels; n++) {
            uint32_t below = (uint32_t)(most - in[n]);
            total += below < entries ? powers[below] : 0;
        }
        int32_t log_sum = logarithm(total), limit = heddle_scale(log_sum + INT32_MIN, divisor, right);
        int32_t least = (int32_t)words[HEDDLE_LOG_SOFTMAX_LEAST] - 1;
        limit = limit < least ? least : limit;
        for (uint32_t n = 0; n < channels; n++) {
            int32_t difference = in[n] - most, value = -128;
            if (difference > limit)
                value = heddle_clamp(heddle_round_shift(heddle_scale(difference, multiplier, -left) - log_sum,
                                                        OUTPUT_BITS) + 127, -128, 127);
            out[n] = (int8_t)value;
        }
    }
}
