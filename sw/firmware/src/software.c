/* The functions of heddle.h on the CPU alone; with HEDDLE_SIMD on its custom instructions. */
#include "heddle.h"
#include "model.h"

const uint32_t heddle_crc_table[16] = {HEDDLE_CRC_TABLE};
static int status = HEDDLE_NO_IMAGE;
static uint32_t limit, begun;

/* sum of products of `words` words of four int8 each */
static int32_t dot(const uint32_t *acts, const uint32_t *weights, uint32_t words)
{
    int32_t sum = 0;
#ifdef HEDDLE_SIMD
    for (; words >= 4; words -= 4, acts += 4, weights += 4) {
        int32_t a = (int32_t)heddle_cfu_dot4(acts[0], weights[0]);
        int32_t b = (int32_t)heddle_cfu_dot4(acts[1], weights[1]);
        int32_t c = (int32_t)heddle_cfu_dot4(acts[2], weights[2]);
        int32_t d = (int32_t)heddle_cfu_dot4(acts[3], weights[3]);
        sum += a + b + c + d;
    }
    while (words--)
        sum += (int32_t)heddle_cfu_dot4(*acts++, *weights++);
#else
    const int8_t *a = (const int8_t *)acts, *w = (const int8_t *)weights;
    for (uint32_t n = 0; n < 4 * words; n++)
        sum += a[n] * w[n];
#endif
    return sum;
}

static int32_t clamp(const heddle_layer *layer, int32_t value)
{
    return value < layer->act_min ? layer->act_min : value > layer->act_max ? layer->act_max : value;
}

static int8_t requantize(const heddle_layer *layer, uint32_t channel, int32_t sum)
{
    uint32_t total = (uint32_t)sum + (uint32_t)layer->bias[channel], shift = layer->shift[channel];
#ifdef HEDDLE_SIMD
    int32_t value = (int32_t)heddle_cfu_round_shift(heddle_cfu_scale(total, layer->multiplier[channel]), shift);
#else
    int32_t high = (int32_t)(((int64_t)(int32_t)total * (int64_t)layer->multiplier[channel] + (1 << 30)) >> 31);
    int32_t mask = (int32_t)((1u << shift) - 1);
    int32_t value = (high >> shift) + ((high & mask) > (mask >> 1) + (high < 0));
#endif
    return (int8_t)clamp(layer, value + layer->out_zero);
}

/* The operands of one output pixel, kernel row after kernel row, the input's zero point outside of it. */
static void gather(const heddle_layer *layer, const int8_t *in, int y, int x)
{
    int8_t *to = (int8_t *)heddle_patch;
    const int channels = layer->in_channels;
    for (int ky = 0; ky < layer->kernel_y; ky++)
        for (int kx = 0; kx < layer->kernel_x; kx++) {
            int row = y * layer->stride_y - layer->pad_top + ky, column = x * layer->stride_x - layer->pad_left + kx;
            int inside = row >= 0 && row < layer->in_height && column >= 0 && column < layer->in_width;
            const int8_t *from = in + (row * layer->in_width + column) * channels;
            for (int n = 0; n < channels; n++)
                *to++ = inside ? from[n] : (int8_t)layer->in_zero;
        }
}

static void conv_pixel(const heddle_layer *layer, const int8_t *in, int8_t *out, int y, int x)
{
    gather(layer, in, y, x);
    const uint32_t *weights = layer->weights;
    for (int channel = 0; channel < layer->out_channels; channel++, weights += layer->patch_words)
        out[channel] = requantize(layer, (uint32_t)channel, dot(heddle_patch, weights, layer->patch_words));
}

static void channel_pixel(const heddle_layer *layer, const int8_t *in, int8_t *out, int y, int x)
{
    const int channels = layer->in_channels, outputs = layer->out_channels, each = outputs / channels;
    for (int channel = 0, taken = 0, left = each; channel < outputs; channel++) {
        const int8_t *weight = (const int8_t *)layer->weights + channel;
        int32_t sum = 0, most = -128;
        for (int ky = 0; ky < layer->kernel_y; ky++)
            for (int kx = 0; kx < layer->kernel_x; kx++, weight += outputs) {
                int row = y * layer->stride_y - layer->pad_top + ky;
                int column = x * layer->stride_x - layer->pad_left + kx;
                int inside = row >= 0 && row < layer->in_height && column >= 0 && column < layer->in_width;
                int32_t act = inside ? in[(row * layer->in_width + column) * channels + taken] : layer->in_zero;
                sum += layer->op == HEDDLE_DEPTHWISE ? act * *weight : act;
                most = inside && act > most ? act : most;
            }
        if (!--left)
            taken++, left = each;
        if (layer->op == HEDDLE_AVGPOOL) {
            int32_t count = layer->kernel_y * layer->kernel_x;
            out[channel] = (int8_t)clamp(layer, (sum > 0 ? sum + count / 2 : sum - count / 2) / count);
        } else
            out[channel] = layer->op == HEDDLE_MAXPOOL ? (int8_t)clamp(layer, most)
                                                       : requantize(layer, (uint32_t)channel, sum);
    }
}

/* Returns whether it ended within the time limit. */
static int run_layer(const heddle_layer *layer, const int8_t *in, int8_t *out)
{
    if (layer->op == HEDDLE_KERNEL) {
        for (uint32_t n = 0; n < layer->call_count; n++)
            layer->calls[n].kernel(layer->calls[n].words, 0);
        return !limit || heddle_mcycle() - begun <= limit;
    }
    for (int y = 0; y < layer->out_height; y++)
        for (int x = 0; x < layer->out_width; x++, out += layer->out_channels) {
            if (layer->op == HEDDLE_CONV)
                conv_pixel(layer, in, out, y, x);
            else
                channel_pixel(layer, in, out, y, x);
            if (limit && heddle_mcycle() - begun > limit)
                return 0;
        }
    return 1;
}

uint32_t heddle_header_word(uint32_t index)
{
    return heddle_header[index];
}

/* A chain has no states. */
void heddle_reset(void)
{
}

int heddle_open(void)
{
    return status = HEDDLE_OK;
}

uint32_t heddle_input_bytes(void)
{
    return status == HEDDLE_OK ? heddle_header[HEDDLE_IMAGE_INPUT_BYTES_WORD] : 0;
}

uint32_t heddle_output_bytes(void)
{
    return status == HEDDLE_OK ? heddle_header[HEDDLE_IMAGE_OUTPUT_BYTES_WORD] : 0;
}

void heddle_set_limit(uint32_t cycles)
{
    limit = cycles;
}

int heddle_infer(const int8_t *input, int8_t *output, heddle_cycles *cycles)
{
    begun = heddle_mcycle();
    if (status != HEDDLE_OK)
        return status;
    for (uint32_t n = 0; input && n < heddle_input_bytes(); n++)
        heddle_buffers[0][n] = input[n];
    for (uint32_t n = 0; n < heddle_layer_count; n++) {
        uint32_t start = heddle_mcycle();
        if (!run_layer(&heddle_layers[n], heddle_buffers[n & 1], heddle_buffers[~n & 1]))
            return HEDDLE_TIMEOUT;
        if (cycles)
            cycles->layer[n] = heddle_mcycle() - start;
    }
    for (uint32_t n = 0; output && n < heddle_output_bytes(); n++)
        output[n] = heddle_buffers[heddle_layer_count & 1][n];
    if (cycles) {
        cycles->total = heddle_mcycle() - begun;
        cycles->engine = 0;
        cycles->layers = heddle_layer_count;
        cycles->kernels = 0;
    }
    return HEDDLE_OK;
}
