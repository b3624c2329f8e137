/* The mean along the middle one of three dimensions: a sum, scaled. Four channels at a time where they are words.
 *
 * On VexRiscv 7.5 cycles a value and 76 an output; 23 and 90 where the channels are no words. */
#include "kernel.h"

void heddle_kernel_mean(const volatile uint32_t *words, volatile int8_t *memory)
{
    const volatile int8_t *from = memory + words[HEDDLE_MEAN_SOURCE];
    volatile int8_t *to = memory + words[HEDDLE_MEAN_OUTPUT];
    uint32_t count = words[HEDDLE_MEAN_COUNT], channels = words[HEDDLE_MEAN_CHANNELS];
    int32_t multiplier = (int32_t)words[HEDDLE_MEAN_MULTIPLIER], shift = (int32_t)words[HEDDLE_MEAN_SHIFT];
    int32_t zero_total = (int32_t)words[HEDDLE_MEAN_ZERO_TOTAL], zero = (int32_t)words[HEDDLE_MEAN_ZERO];
    int32_t low = (int32_t)words[HEDDLE_MEAN_LOW], high = (int32_t)words[HEDDLE_MEAN_HIGH];
    uint32_t whole = channels & 3 || !heddle_aligned(from) ? 0 : channels;
    heddle_window window = {.rows = 1, .taps = count, .step = channels};
    for (uint32_t outer = words[HEDDLE_MEAN_OUTER]; outer--; from += count * channels) {
        for (uint32_t channel = 0, width; channel < channels; channel += width) {
            int32_t sum[4];
            window.first = from + channel;
            width = channel < whole ? 4 : 1;
            if (width == 4)
                heddle_sum_words(sum, &window);
            else
                sum[0] = heddle_sum_bytes(&window);
            for (uint32_t n = 0; n < width; n++)
                *to++ = (int8_t)heddle_clamp(heddle_scale(sum[n] - zero_total, multiplier, shift) + zero, low, high);
        }
    }
}
