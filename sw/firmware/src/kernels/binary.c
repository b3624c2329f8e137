/* Operators of two operands, each with its own distances along four dimensions; outputs follow each other.
 * sw/golden/elementwise.py defines the operators and their numbers.
 */
#include "kernel.h"

enum { ADD, SUB, MUL, MAXIMUM, MINIMUM, PRELU };

#define LEFT_SHIFT 20      /* of the operands of a sum */

typedef struct {
    uint32_t kind;
    int32_t zero0, zero1, zero, multiplier[3], shift[3], low, high;
} operation;

static int32_t result(const operation *op, int32_t a, int32_t b)
{
    a -= op->zero0;
    b -= op->zero1;
    switch (op->kind) {
    case ADD:
    case SUB:
        a = heddle_scale(a << LEFT_SHIFT, op->multiplier[0], op->shift[0]);
        b = heddle_scale(b << LEFT_SHIFT, op->multiplier[1], op->shift[1]);
        a = heddle_scale(op->kind == ADD ? a + b : a - b, op->multiplier[2], op->shift[2]);
        break;
    case MUL:
        a = heddle_scale(a * b, op->multiplier[0], op->shift[0]);
        break;
    case PRELU:
        a = a < 0 ? heddle_scale(a * b, op->multiplier[1], op->shift[1])
                  : heddle_scale(a, op->multiplier[0], op->shift[0]);
        break;
    case MAXIMUM:
        a = a > b ? a : b;
        break;
    default:
        a = a < b ? a : b;
    }
    return heddle_clamp(a + op->zero, op->low, op->high);
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

static volatile int8_t *row(const operation *op, volatile int8_t *to, const volatile int8_t *a,
                            const volatile int8_t *b, uint32_t count, int32_t step_a, int32_t step_b)
{
    while (count) {
        if (count < 4 || !heddle_aligned(to)) {
            *to++ = (int8_t)result(op, *a, *b);
            a += step_a, b += step_b, count--;
            continue;
        }
        uint32_t first = next_four(&a, step_a), second = next_four(&b, step_b), four = 0;
        for (uint32_t n = 0; n < 4; n++)
            four |= (uint32_t)(uint8_t)result(op, heddle_byte(first, n), heddle_byte(second, n)) << 8 * n;
        *(volatile uint32_t *)to = four;
        to += 4, count -= 4;
    }
    return to;
}

void heddle_kernel_binary(const volatile uint32_t *words, volatile int8_t *memory)
{
    operation op = {.kind = words[HEDDLE_BINARY_KIND], .zero0 = (int32_t)words[HEDDLE_BINARY_ZERO0],
                    .zero1 = (int32_t)words[HEDDLE_BINARY_ZERO1], .zero = (int32_t)words[HEDDLE_BINARY_ZERO],
                    .low = (int32_t)words[HEDDLE_BINARY_LOW], .high = (int32_t)words[HEDDLE_BINARY_HIGH]};
    uint32_t count[4];
    int32_t a[4], b[4];
    for (int n = 0; n < 3; n++) {
        op.multiplier[n] = (int32_t)words[HEDDLE_BINARY_MULTIPLIER0 + 2 * n];
        op.shift[n] = (int32_t)words[HEDDLE_BINARY_SHIFT0 + 2 * n];
    }
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
                to = row(&op, to, a2, b2, count[3], a[3], b[3]);
        }
    }
}
