/* Average and maximum of windows, of which only what lies inside the input counts. Four channels at a time where they
 * are words.
 *
 * On VexRiscv an average takes 8 cycles a tap and 112 an output, a maximum 13 and 56; where the channels are no words 23
 * and 167, 28 and 122. */
#include "kernel.h"

enum { AVERAGE, MAXIMUM };

#define MOST_SUMMED 256      /* bytes that a half word holds the sum of */

/* As bytes from 0 on, two sums a word. */
static void add_sums(int32_t sum[4], uint32_t even, uint32_t odd, uint32_t count)
{
    count *= 128;
    sum[0] += (int32_t)((even & 0xffff) - count), sum[1] += (int32_t)((odd & 0xffff) - count);
    sum[2] += (int32_t)((even >> 16) - count), sum[3] += (int32_t)((odd >> 16) - count);
}

void heddle_sum_words(int32_t sum[4], const heddle_window *window)
{
    const volatile int8_t *row = window->first;
    const uint32_t pitch = window->pitch, step = window->step;
    uint32_t even = 0, odd = 0, summed = 0;
    sum[0] = sum[1] = sum[2] = sum[3] = 0;
    for (uint32_t rows = window->rows; rows--; row += pitch) {
        const volatile int8_t *place = row;
        for (uint32_t taps = window->taps; taps--; place += step) {
            uint32_t four = *(const volatile uint32_t *)place ^ 0x80808080u;
            even += four & 0x00ff00ff;
            odd += four >> 8 & 0x00ff00ff;
            if (++summed == MOST_SUMMED) {
                add_sums(sum, even, odd, summed);
                even = odd = summed = 0;
            }
        }
    }
    add_sums(sum, even, odd, summed);
}

int32_t heddle_sum_bytes(const heddle_window *window)
{
    const volatile int8_t *row = window->first;
    const uint32_t pitch = window->pitch, step = window->step;
    int32_t sum = 0;
    for (uint32_t rows = window->rows; rows--; row += pitch) {
        const volatile int8_t *place = row;
        for (uint32_t taps = window->taps; taps--; place += step)
            sum += *place;
    }
    return sum;
}

/* Of `channels` channels, 4 or 1. */
static void greatest(int32_t most[4], const heddle_window *window, int32_t channels)
{
    const volatile int8_t *row = window->first;
    const uint32_t pitch = window->pitch, step = window->step;
    int32_t a = -128, b = -128, c = -128, d = -128;
    for (uint32_t rows = window->rows; rows--; row += pitch) {
        const volatile int8_t *place = row;
        for (uint32_t taps = window->taps; taps--; place += step) {
            if (channels == 1) {
                int32_t value = *place;
                a = value > a ? value : a;
                continue;
            }
            uint32_t four = *(const volatile uint32_t *)place;
            a = (int8_t)four > a ? (int8_t)four : a;
            b = (int8_t)(four >> 8) > b ? (int8_t)(four >> 8) : b;
            c = (int8_t)(four >> 16) > c ? (int8_t)(four >> 16) : c;
            d = (int8_t)(four >> 24) > d ? (int8_t)(four >> 24) : d;
        }
    }
    most[0] = a, most[1] = b, most[2] = c, most[3] = d;
}

/* Halves go away from zero, where C cuts towards zero. */
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
            heddle_window window = {.rows = (uint32_t)(end_y - first_y), .pitch = (uint32_t)(width * channels),
                                    .taps = (uint32_t)(end_x - first_x), .step = (uint32_t)channels};
            int32_t count = (int32_t)(window.rows * window.taps), size, value[4];
            for (int32_t channel = 0; channel < channels; channel += size) {
                window.first = from + (first_y * width + first_x) * channels + channel;
                size = channel < whole ? 4 : 1;
                if (!average)
                    greatest(value, &window, size);
                else if (size == 1)
                    value[0] = heddle_sum_bytes(&window);
                else
                    heddle_sum_words(value, &window);
                for (int32_t n = 0; n < size; n++)
                    *to++ = (int8_t)heddle_clamp(average ? divided(value[n], count) : value[n], low, high);
            }
        }
    }
}
