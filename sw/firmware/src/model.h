/* A network in C, as sw/firmware/software.py writes it: what software.c runs. */
#ifndef HEDDLE_MODEL_H
#define HEDDLE_MODEL_H

#include "kernel.h"

/* dense is a convolution of one pixel */
enum { HEDDLE_CONV, HEDDLE_DEPTHWISE, HEDDLE_AVGPOOL, HEDDLE_MAXPOOL, HEDDLE_KERNEL };

typedef struct {
    heddle_kernel *kernel;
    const uint32_t *words;        /* with addresses as the CPU sees them */
} heddle_call;

typedef struct {
    uint8_t op, kernel_y, kernel_x, stride_y, stride_x;
    int16_t pad_top, pad_left;
    int16_t in_height, in_width, in_channels, out_height, out_width, out_channels;
    int16_t in_zero, out_zero, act_min, act_max;
    uint32_t patch_words;         /* of one output channel's weights, padded with zeros to whole words */
    const uint32_t *weights;      /* convolution: channel after channel; depthwise: tap after tap */
    const int32_t *bias;          /* with -in_zero * sum of weights in it */
    const uint32_t *multiplier;
    const uint8_t *shift;
    const heddle_call *calls;     /* of HEDDLE_KERNEL, which has nothing else: functions of the CPU, */
    uint32_t call_count;          /* one after the other */
} heddle_layer;

extern const heddle_layer heddle_layers[];
extern const uint32_t heddle_layer_count;
extern const uint32_t heddle_header[HEDDLE_IMAGE_HEADER_BYTES / 4];
extern uint32_t heddle_patch[];                   /* room for the largest convolution's operands of one pixel */
extern int8_t *const heddle_buffers[2];           /* a layer reads one and writes the other; word aligned */

#endif
