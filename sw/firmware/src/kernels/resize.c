/* Pixels by a list of places: nearest neighbours. The table has the place of each row, then that of each column.
 *
 * On VexRiscv 90 cycles a pixel and 3.4 a byte of it; a line that is the one above again 3.4 a byte. */
#include "kernel.h"

void heddle_kernel_resize(const volatile uint32_t *words, volatile int8_t *memory)
{
    const volatile int8_t *from = memory + words[HEDDLE_RESIZE_SOURCE];
    volatile int8_t *to = memory + words[HEDDLE_RESIZE_OUTPUT];
    uint32_t rows = words[HEDDLE_RESIZE_ROWS], columns = words[HEDDLE_RESIZE_COLUMNS];
    uint32_t bytes = words[HEDDLE_RESIZE_BYTES], before = ~0u;
    const volatile uint32_t *row = &words[HEDDLE_RESIZE_TABLE], *column = row + rows;
    for (uint32_t y = 0; y < rows; y++) {
        uint32_t place = row[y], line = columns * bytes;
        if (place == before) {                        /* the line above again */
            heddle_move(to, to - line, line);
            to += line;
            continue;
        }
        for (uint32_t x = 0; x < columns; x++, to += bytes)
            heddle_move(to, from + place + column[x], bytes);
        before = place;
    }
}
