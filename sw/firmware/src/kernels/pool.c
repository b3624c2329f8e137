/* Average and maximum of windows, of which only what lies inside the input counts. Four channels at a time where they
 * are words.
 */
#include "kernel.h"

enum { AVERAGE, MAXIMUM };

/* `count` halves away from zero; C cuts towards zero */
static int32_t divided(int32_t sum, int32_t count)
{
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

void heddle_kernel_pool(const volatile uint32_t *words, volatile int8_t *memory)
{
    const volatile int8_t *from = memory + words[HEDDLE_POOL_SOURCE];
    volatile int8_t *to = memory + words[HEDDLE_POOL_OUTPUT];
    int32_t height = (int32_t)words[HEDDLE_POOL_HEIGHT], width = (int32_t)words[HEDDLE_POOL_WIDTH];
    int32_t channels = (int32_t)words[HEDDLE_POOL_CHANNELS], average = words[HEDDLE_POOL_KIND] == AVERAGE;
    int32_t kernel_y = (int32_t)words[HEDDLE_POOL_KERNEL_Y], kernel_x = (int32_t)words[HEDDLE_POOL_KERNEL_X];
    int32_t stride_x = (int32_t)words[HEDDLE_POOL_STRIDE_X], left = (int32_t)words[HEDDLE_POOL_LEFT];
    int32_t low = (int32_t)words[HEDDLE_POOL_LOW], high = (int32_t)words[HEDDLE_POOL_HIGH];
    int32_t rows = (int32_t)words[HEDDLE_POOL_ROWS], columns = (int32_t)words[HEDDLE_POOL_COLUMNS];
    int32_t whole = channels & 3 || !heddle_aligned(from) ? 0 : channels, y = -(int32_t)words[HEDDLE_POOL_TOP];
    for (; rows--; y += (int32_t)words[HEDDLE_POOL_STRIDE_Y]) {
        int32_t first_y = y < 0 ? 0 : y, end_y = y + kernel_y > height ? height : y + kernel_y;
        for (int32_t column = 0, x = -left; column < columns; column++, x += stride_x) {
            int32_t first_x = x < 0 ? 0 : x, end_x = x + kernel_x > width ? width : x + kernel_x;
            int32_t count = (end_y - first_y) * (end_x - first_x), size;
            for (int32_t channel = 0; channel < channels; channel += size) {
                int32_t value[4];
                size = channel < whole ? 4 : 1;
                for (int32_t n = 0; n < 4; n++)
                    value[n] = average ? 0 : -128;
                for (int32_t row = first_y; row < end_y; row++) {
                    const volatile int8_t *place = from + (row * width + first_x) * channels + channel;
                    for (int32_t n = end_x - first_x; n--; place += channels) {
                        uint32_t four = size == 1 ? (uint32_t)*place : *(const volatile uint32_t *)place;
                        for (int32_t part = 0; part < size; part++, four >>= 8) {
                            int32_t one = (int8_t)four;
                            if (average)
                                value[part] += one;
                            else if (one > value[part])
                                value[part] = one;
                        }
                    }
                }
                for (int32_t n = 0; n < size; n++)
                    *to++ = (int8_t)heddle_clamp(average ? divided(value[n], count) : value[n], low, high);
            }
        }
    }
}
