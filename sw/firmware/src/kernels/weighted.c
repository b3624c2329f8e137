/* Convolutions in groups, of which depthwise and dense layers are kinds: sw/golden/weighted.py says how. Up to four
 * outputs of a group at a time, whose weights are the bytes of a word; taps outside the input are left out.
 */
#include "kernel.h"

enum { BLOCK = 4 };
enum { BIAS, MULTIPLIER, LEFT, RIGHT, RECORD };      /* of an output */

typedef struct {
    const volatile int8_t *from;       /* the group's first channel */
    uint32_t y, x, sum[BLOCK];         /* what lies before the first row is beyond the last one, too; sums wrap */
} window;

/* Returns where the next block's weights are. */
static const volatile uint32_t *add_taps(window *place, const volatile uint32_t *words,
                                         const volatile uint32_t *weights)
{
    uint32_t a = 0, b = 0, c = 0, d = 0, row = place->y;
    for (uint32_t ky = words[HEDDLE_WEIGHTED_KERNEL_Y]; ky--; row += words[HEDDLE_WEIGHTED_DILATION_Y]) {
        uint32_t column = place->x;
        for (uint32_t kx = words[HEDDLE_WEIGHTED_KERNEL_X]; kx--; column += words[HEDDLE_WEIGHTED_DILATION_X]) {
            uint32_t width = words[HEDDLE_WEIGHTED_WIDTH], inputs = words[HEDDLE_WEIGHTED_INPUTS];
            const volatile int8_t *from = place->from + (row * width + column) * words[HEDDLE_WEIGHTED_CHANNELS];
            int32_t zero = (int32_t)words[HEDDLE_WEIGHTED_IN_ZERO];
            if (row >= words[HEDDLE_WEIGHTED_HEIGHT] || column >= width) {
                weights += inputs;
                continue;
            }
            while (inputs--) {
                uint32_t four = *weights++;
                int32_t act = *from++ - zero;
                a += (uint32_t)(act * (int8_t)four);
                b += (uint32_t)(act * (int8_t)(four >> 8));
                c += (uint32_t)(act * (int8_t)(four >> 16));
                d += (uint32_t)(act * (int8_t)(four >> 24));
            }
        }
    }
    place->sum[0] = a, place->sum[1] = b, place->sum[2] = c, place->sum[3] = d;
    return weights;
}

/* Returns where the next pixel's outputs go. */
static volatile int8_t *pixel(window *place, const volatile uint32_t *words, volatile int8_t *to)
{
    const volatile uint32_t *record = words + HEDDLE_WEIGHTED_TABLE;
    const volatile uint32_t *weights = record + RECORD * words[HEDDLE_WEIGHTED_OUTPUTS];
    for (uint32_t left = words[HEDDLE_WEIGHTED_OUTPUTS], n = 0; left--; record += RECORD) {
        if (n % BLOCK == 0)
            weights = add_taps(place, words, weights);
        int32_t total = (int32_t)((place->sum[n++ % BLOCK] + record[BIAS]) << record[LEFT]);
        total = heddle_round_shift(heddle_high(total, (int32_t)record[MULTIPLIER]), record[RIGHT]);
        *to++ = (int8_t)heddle_clamp(total + (int32_t)words[HEDDLE_WEIGHTED_ZERO], (int32_t)words[HEDDLE_WEIGHTED_LOW],
                                     (int32_t)words[HEDDLE_WEIGHTED_HIGH]);
        if (n == words[HEDDLE_WEIGHTED_EACH]) {
            n = 0;
            place->from += words[HEDDLE_WEIGHTED_INPUTS];
        }
    }
    return to;
}

void heddle_kernel_weighted(const volatile uint32_t *words, volatile int8_t *memory)
{
    volatile int8_t *to = memory + words[HEDDLE_WEIGHTED_OUTPUT];
    window place = {.y = -words[HEDDLE_WEIGHTED_TOP]};
    for (uint32_t rows = words[HEDDLE_WEIGHTED_ROWS]; rows--; place.y += words[HEDDLE_WEIGHTED_STRIDE_Y]) {
        place.x = -words[HEDDLE_WEIGHTED_LEFT];
        for (uint32_t columns = words[HEDDLE_WEIGHTED_COLUMNS]; columns--;
             place.x += words[HEDDLE_WEIGHTED_STRIDE_X]) {
            place.from = memory + words[HEDDLE_WEIGHTED_SOURCE];
            to = pixel(&place, words, to);
        }
    }
}
