/* Operators of two operands, each with its own distances along four dimensions; outputs follow each other.
 * sw/golden/elementwise.py defines the operators and their numbers.
 *
 * On VexRiscv 110 cycles an output of ADD and SUB, 72 of MUL and PRELU, 60 of the others, and 29 a row; 15 more an output
 * where a row begins no word or is shorter. */
#include "kernel.h"

enum { ADD, SUB, MUL, MAXIMUM, MINIMUM, PRELU };

#define LEFT_SHIFT 20      /* of the operands of a sum */

typedef struct {
    int32_t zero0, zero1, zero, low, high;
    int32_t flipped;                        /* -1 of SUB and MINIMUM, which are ADD and MAXIMUM of other signs */
    heddle_scaling scale[3];
} operation;

typedef int32_t operator(const operation *op, int32_t a, int32_t b);

static int32_t sum(const operation *op, int32_t a, int32_t b)
{
    b = heddle_scaled(b << LEFT_SHIFT, &op->scale[1]);
    a = heddle_scaled(a << LEFT_SHIFT, &op->scale[0]) + (b ^ op->flipped) - op->flipped;
    return heddle_scaled(a, &op->scale[2]);
}

static int32_t product(const operation *op, int32_t a, int32_t b)
{
    return heddle_scaled(a * b, &op->scale[0]);
}

static int32_t slope(const operation *op, int32_t a, int32_t b)
{
    return a < 0 ? heddle_scaled(a * b, &op->scale[1]) : heddle_scaled(a, &op->scale[0]);
}

static int32_t choice(const operation *op, int32_t a, int32_t b)
{
    a ^= op->flipped;
    b ^= op->flipped;
    return (a > b ? a : b) ^ op->flipped;
}

/* The next four values of an operand, as bytes of a word. */
static uint32_t next_four(const volatile int8_t **from, int32_t step)
{
    const volatile int8_t *place = *from;
    uint32_t four = 0;
    *from += 4 * step;
    if (step == 0)
        return (uint8_t)*place * 0x01010101u;
    if (step == 1 && heddle_aligned(place))
        return *(const volatile uint32_t *)place;
    for (int n = 0; n < 32; n += 8, place += step)
        four |= (uint32_t)(uint8_t)*place << n;
    return four;
}

static volatile int8_t *row(const operation *op, operator *of, volatile int8_t *to, const volatile int8_t *a,
                            const volatile int8_t *b, uint32_t count, int32_t step_a, int32_t step_b)
{
    const int32_t zero0 = op->zero0, zero1 = op->zero1, zero = op->zero, low = op->low, high = op->high;
    while (count) {
        uint32_t bytes = count < 4 || !heddle_aligned(to) ? 1 : 4, four = 0;
        uint32_t first = bytes == 1 ? (uint32_t)*a : next_four(&a, step_a);
        uint32_t second = bytes == 1 ? (uint32_t)*b : next_four(&b, step_b);
        for (uint32_t n = 0; n < 8 * bytes; n += 8, first >>= 8, second >>= 8) {
            int32_t value = of(op, (int8_t)first - zero0, (int8_t)second - zero1) + zero;
            four |= (uint32_t)(uint8_t)heddle_clamp(value, low, high) << n;
        }
        if (bytes == 1) {
            *to = (int8_t)four;
            a += step_a, b += step_b;
        } else
            *(volatile uint32_t *)to = four;
        to += bytes, count -= bytes;
    }
    return to;
}

void heddle_kernel_binary(const volatile uint32_t *words, volatile int8_t *memory)
{
    static operator *const operators[] = {sum, sum, product, choice, choice, slope};
    uint32_t kind = words[HEDDLE_BINARY_KIND], count[4];
    operation op = {.zero0 = (int32_t)words[HEDDLE_BINARY_ZERO0], .zero1 = (int32_t)words[HEDDLE_BINARY_ZERO1],
                    .zero = (int32_t)words[HEDDLE_BINARY_ZERO], .low = (int32_t)words[HEDDLE_BINARY_LOW],
                    .high = (int32_t)words[HEDDLE_BINARY_HIGH], .flipped = kind == SUB || kind == MINIMUM ? -1 : 0};
    int32_t a[4], b[4];
    for (int n = 0; n < 3; n++)
        op.scale[n] = heddle_scaling_of((int32_t)words[HEDDLE_BINARY_MULTIPLIER0 + 2 * n],
                                        (int32_t)words[HEDDLE_BINARY_SHIFT0 + 2 * n]);
    for (int n = 0; n < 4; n++) {
        count[n] = words[HEDDLE_BINARY_N0 + n];
        a[n] = (int32_t)words[HEDDLE_BINARY_A0 + n];
        b[n] = (int32_t)words[HEDDLE_BINARY_B0 + n];
    }
    const volatile int8_t *a0 = memory + words[HEDDLE_BINARY_SOURCE], *b0 = memory + words[HEDDLE_BINARY_SECOND];
    volatile int8_t *to = memory + words[HEDDLE_BINARY_OUTPUT];
    for (uint32_t i = count[0]; i--; a0 += a[0], b0 += b[0]) {
        const volatile int8_t *a1 = a0, *b1 = b0;
        for (uint32_t j = count[1]; j--; a1 += a[1], b1 += b[1]) {
            const volatile int8_t *a2 = a1, *b2 = b1;
            for (uint32_t k = count[2]; k--; a2 += a[2], b2 += b[2])
                to = row(&op, operators[kind], to, a2, b2, count[3], a[3], b[3]);
        }
    }
}
