/* A function of the CPU that computes an operator of a network: one file in kernels/ each, one entry in
 * sw/golden/kernels.py, which has the same in numpy and names the words (HEDDLE_SOFTMAX_ROWS and so on).
 *
 * `words` are those of its call in the model image, `memory` is the activation scratchpad; both are on the bus, where
 * an access takes some ten cycles, for a byte as for a word. Nothing is kept from one call to the next, nothing is
 * allocated, and what is read and what is written are apart from each other, but that a function that works byte by
 * byte (table, binary) may write each output over the operand that it comes from. The sizes in `words` are right: the
 * image's CRC says so. */
#ifndef HEDDLE_KERNEL_H
#define HEDDLE_KERNEL_H

#include "heddle_config.h"

typedef void heddle_kernel(const volatile uint32_t *words, volatile int8_t *memory);

#define HEDDLE_DECLARE_KERNEL(name) heddle_kernel heddle_kernel_##name;
HEDDLE_KERNELS(HEDDLE_DECLARE_KERNEL)

/* Bytes from one place to another, by words wherever they lie. In kernels/copy.c. */
void heddle_move(volatile int8_t *to, const volatile int8_t *from, uint32_t bytes);

/* Memory of the firmware: its end is what a function may use as it likes (features: its lines and noise).
 * A main of a network that calls it has it. */
extern uint32_t heddle_workspace[HEDDLE_MAX_PAYLOAD / 4];

/* round(a * b / 2**31), ties upwards */
static inline int32_t heddle_high(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* round(value / 2**shift), ties away from zero */
static inline int32_t heddle_round_shift(int32_t value, uint32_t shift)
{
    int32_t mask = (int32_t)((1u << shift) - 1);
    return (value >> shift) + ((value & mask) > (mask >> 1) + (value < 0));
}

/* By a multiplier and a right shift, left where it is negative: rounded twice. */
static inline int32_t heddle_scale(int32_t value, int32_t multiplier, int32_t shift)
{
    if (shift < 0)
        return heddle_high((int32_t)((uint32_t)value << -shift), multiplier);
    return heddle_round_shift(heddle_high(value, multiplier), (uint32_t)shift);
}

/* The same, prepared for many values, which have 29 bits when they are shifted to the left. */
typedef struct {
    int32_t multiplier, half, away;      /* half of what is shifted out; -1 if anything is */
    uint32_t left, right;
} heddle_scaling;

static inline heddle_scaling heddle_scaling_of(int32_t multiplier, int32_t shift)
{
    heddle_scaling scaling = {.multiplier = multiplier, .half = shift > 0 ? 1 << (shift - 1) : 0,
                              .away = shift > 0 ? -1 : 0, .left = shift < 0 ? (uint32_t)-shift : 0,
                              .right = shift > 0 ? (uint32_t)shift : 0};
    return scaling;
}

/* The upper half of a product is enough: it is rounded by one bit. */
static inline __attribute__((always_inline)) int32_t heddle_scaled(int32_t value, const heddle_scaling *scaling)
{
    value = (int32_t)((uint32_t)value << scaling->left << 2);
    value = ((int32_t)((int64_t)value * scaling->multiplier >> 32) + 1) >> 1;
    return (value + scaling->half + (value >> 31 & scaling->away)) >> scaling->right;
}

static inline __attribute__((always_inline)) int32_t heddle_clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static inline int heddle_aligned(const volatile void *place)
{
    return !((uintptr_t)place & 3);
}

/* Rows of bytes, or of words that begin there, `step` bytes apart. */
typedef struct {
    const volatile int8_t *first;
    uint32_t rows, pitch, taps, step;
} heddle_window;

/* The sum of a window's bytes; of its words those of each of four bytes. In kernels/pool.c. */
int32_t heddle_sum_bytes(const heddle_window *window);
void heddle_sum_words(int32_t sum[4], const heddle_window *window);

/* 1 / (1 + part) of a number from 0 to 1, both with 31 fractional bits: by Newton's iteration. In kernels/softmax.c. */
int32_t heddle_inverse(uint32_t part);

#endif
