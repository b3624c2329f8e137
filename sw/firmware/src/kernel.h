/* A function of the CPU that computes an operator of a network: one file in kernels/ each, one entry in
 * sw/golden/kernels.py, which has the same in numpy and names the words (HEDDLE_SOFTMAX_ROWS and so on).
 *
 * `words` are those of its call in the model image, `memory` is the activation scratchpad; both are on the bus, where
 * an access takes some ten cycles. Nothing is kept from one call to the next, nothing is allocated, and source and
 * output are apart from each other. The sizes in `words` are right: the image's CRC says so. */
#ifndef HEDDLE_KERNEL_H
#define HEDDLE_KERNEL_H

#include "heddle_config.h"

typedef void heddle_kernel(const volatile uint32_t *words, volatile int8_t *memory);

#define HEDDLE_DECLARE_KERNEL(name) heddle_kernel heddle_kernel_##name;
HEDDLE_KERNELS(HEDDLE_DECLARE_KERNEL)

#endif
