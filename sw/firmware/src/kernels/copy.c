/* Moves an array of four dimensions, with its own distances at either side, of runs of bytes.
 *
 * On VexRiscv 3.4 cycles a byte and 70 a run; 5.5 a byte where its ends lie differently in their words; runs below 8
 * bytes 20 a byte and 16 a run; single bytes collected to a row 20. */
#include "kernel.h"

#define SHORT_RUN 8       /* bytes; shorter ones do not pay for looking how they lie */

void heddle_move(volatile int8_t *to, const volatile int8_t *from, uint32_t bytes)
{
    for (; bytes && !heddle_aligned(to); bytes--)
        *to++ = *from++;
    volatile uint32_t *words = (volatile uint32_t *)to;
    uint32_t shift = 8 * ((uintptr_t)from & 3);
    const volatile uint32_t *source = (const volatile uint32_t *)(from - shift / 8);
    to += bytes & ~3u;
    from += bytes & ~3u;
    if (!shift) {
        for (; bytes >= 16; bytes -= 16, words += 4, source += 4) {
            uint32_t a = source[0], b = source[1], c = source[2], d = source[3];
            words[0] = a, words[1] = b, words[2] = c, words[3] = d;
        }
        for (; bytes >= 4; bytes -= 4)
            *words++ = *source++;
    } else if (bytes >= 4) {
        uint32_t low = *source++;
        for (; bytes >= 4; bytes -= 4) {
            uint32_t high = *source++;
            *words++ = low >> shift | high << (32 - shift);
            low = high;
        }
    }
    while (bytes--)
        *to++ = *from++;
}

/* Single bytes that lie apart, to where they follow each other. */
static void collect(volatile int8_t *to, const volatile int8_t *from, uint32_t count, int32_t step)
{
    for (; count && !heddle_aligned(to); count--, from += step)
        *to++ = *from;
    volatile uint32_t *words = (volatile uint32_t *)to;
    to += count & ~3u;
    for (; count >= 4; count -= 4) {
        uint32_t four = 0;
        for (int n = 0; n < 32; n += 8, from += step)
            four |= (uint32_t)(uint8_t)*from << n;
        *words++ = four;
    }
    for (; count--; from += step)
        *to++ = *from;
}

static void runs(volatile int8_t *to, const volatile int8_t *from, uint32_t count, int32_t further, int32_t step,
                 uint32_t run)
{
    if (run == 1 && further == 1) {
        collect(to, from, count, step);
        return;
    }
    for (; count--; to += further, from += step) {
        if (run >= SHORT_RUN)
            heddle_move(to, from, run);
        else
            for (uint32_t n = 0; n < run; n++)
                to[n] = from[n];
    }
}

void heddle_kernel_copy(const volatile uint32_t *words, volatile int8_t *memory)
{
    uint32_t count[4], run = words[HEDDLE_COPY_RUN];
    int32_t step[4], further[4];
    for (int n = 0; n < 4; n++) {
        count[n] = words[HEDDLE_COPY_N0 + n];
        step[n] = (int32_t)words[HEDDLE_COPY_S0 + n];
        further[n] = (int32_t)words[HEDDLE_COPY_D0 + n];
    }
    const volatile int8_t *from0 = memory + words[HEDDLE_COPY_SOURCE];
    volatile int8_t *to0 = memory + words[HEDDLE_COPY_OUTPUT];
    for (uint32_t a = count[0]; a--; from0 += step[0], to0 += further[0]) {
        const volatile int8_t *from1 = from0;
        volatile int8_t *to1 = to0;
        for (uint32_t b = count[1]; b--; from1 += step[1], to1 += further[1]) {
            const volatile int8_t *from2 = from1;
            volatile int8_t *to2 = to1;
            for (uint32_t c = count[2]; c--; from2 += step[2], to2 += further[2])
                runs(to2, from2, count[3], further[3], step[3], run);
        }
    }
}
