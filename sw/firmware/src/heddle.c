#include "heddle.h"
#include "kernel.h"

static heddle_kernel *const kernels[] = {HEDDLE_LINKED};
#define KERNELS (sizeof kernels / sizeof *kernels)

static struct {
    uint32_t input, input_bytes, output, output_bytes;
    uint32_t layers, kernels;             /* of all runs, and calls of the CPU */
    const volatile uint32_t *resets, *calls, *calls_end;     /* those of a reset come first */
    uint32_t limit;
    const volatile uint32_t *stream;      /* the weights that stream, as the CPU sees them */
    uint32_t stream_address;              /* and as the engine addresses them */
    int status;
} model = {.status = HEDDLE_NO_IMAGE};

static struct {
    const volatile uint32_t *content;
    uint32_t address;
} outside;

HEDDLE_OFTEN_DATA const uint32_t heddle_crc_table[16] = {HEDDLE_CRC_TABLE};

/* The model image's first word, as the CPU reads it; what comes after the resident part may be elsewhere. */
static const volatile uint32_t *image(void)
{
#ifdef HEDDLE_FLASH_IMAGE
    return (const volatile uint32_t *)HEDDLE_FLASH_IMAGE;
#else
    return heddle_word(HEDDLE_WEIGHT_WINDOW);
#endif
}

uint32_t heddle_header_word(uint32_t index)
{
    return image()[index];
}

/* Of bytes that begin a word; the words are copied to `to`, unless they are there. */
HEDDLE_AT_REST static uint32_t part_crc(uint32_t crc, const volatile uint32_t *words, uint32_t bytes,
                                      volatile uint32_t *to)
{
    uint32_t word = 0;
    for (uint32_t n = 0; n < bytes; n++) {
        if (!(n & 3)) {
            word = *words++;
            if (to)
                *to++ = word;
        }
        crc = heddle_crc(crc, word & 255);
        word >>= 8;
    }
    return crc;
}

static int window_holds(uint32_t window, uint32_t end, uint32_t address, uint32_t bytes)
{
    return address <= end - window && bytes <= end - window - address;
}

/* The counters of a layer add up to its cycles. */
static uint32_t layer_cycles(uint32_t layer)
{
    uint32_t total = 0;
    for (uint32_t n = 0; n < HEDDLE_COUNTERS; n++)
        total += *heddle_word(HEDDLE_LAYER_LOG + 4 * (HEDDLE_LOG_WORDS * layer + n));
    return total;
}

/* Where the weights that stream are: given, or in the activation scratchpad, never at its start. */
static int find_stream(uint32_t bytes)
{
    uint32_t address = heddle_header_word(HEDDLE_IMAGE_STREAM_ADDRESS_WORD);
    model.stream = outside.content;
    model.stream_address = outside.address;
    if (!bytes || !address)
        return bytes && !outside.content ? HEDDLE_NO_STREAM : HEDDLE_OK;
    if (address & 3 || !window_holds(HEDDLE_ACT_WINDOW, HEDDLE_ACT_END, address, bytes))
        return HEDDLE_BAD_IMAGE;
    model.stream = heddle_word(HEDDLE_ACT_WINDOW + address);
    model.stream_address = address;
    return HEDDLE_OK;
}

/* Whether the list of calls is whole; counts what an inference has of them. */
static int read_calls(uint32_t resident, uint32_t streamed)
{
    uint32_t offset = heddle_header_word(HEDDLE_IMAGE_CALLS_OFFSET_WORD), layers = 0;
    uint32_t reset_bytes = heddle_header_word(HEDDLE_IMAGE_RESET_BYTES_WORD);
    if (offset & 3 || (resident + streamed) & 3 || offset > resident + streamed || (offset > resident && resident & 3))
        return 0;
    model.resets = offset < resident ? image() + offset / 4 : model.stream + (offset - resident) / 4;
    model.calls_end = model.resets + (resident + streamed - offset) / 4;
    if (reset_bytes & 3 || reset_bytes > resident + streamed - offset)
        return 0;
    model.calls = model.resets + reset_bytes / 4;
    model.kernels = 0;
    for (const volatile uint32_t *call = model.resets; call < model.calls_end; call += 2 + call[1]) {
        uint32_t left = (uint32_t)(model.calls_end - call);
        if (left < 2 || call[1] > left - 2 || call[0] > KERNELS
            || (call[0] != HEDDLE_CALL_ENGINE && !kernels[call[0] - 1]))
            return 0;
        if (call[0] == HEDDLE_CALL_ENGINE) {
            if (call[1] != HEDDLE_RUN_WORDS || call < model.calls
                || call[2 + HEDDLE_RUN_LAYERS] > HEDDLE_LAYER_LOG_ENTRIES)
                return 0;
            layers += call[2 + HEDDLE_RUN_LAYERS];
        } else
            model.kernels += call >= model.calls;
    }
    return layers == model.layers && layers + model.kernels <= HEDDLE_MOST_LAYERS;
}

/* Brings the image to the engine's memories, where it is not there; its CRC. */
static uint32_t load(uint32_t resident, uint32_t streamed)
{
    const volatile uint32_t *body = image() + HEDDLE_IMAGE_HEADER_BYTES / 4, *stream = model.stream;
    volatile uint32_t *to = 0, *stream_to = 0;
#ifdef HEDDLE_FLASH_IMAGE
    to = heddle_word(HEDDLE_WEIGHT_WINDOW + HEDDLE_IMAGE_HEADER_BYTES);
    stream = image() + resident / 4;
    stream_to = (volatile uint32_t *)model.stream;
#endif
    uint32_t crc = part_crc(~0u, body, resident - HEDDLE_IMAGE_HEADER_BYTES, to);
    return ~part_crc(crc, stream, streamed, stream_to);
}

static int read_header(void)
{
    if (*heddle_word(HEDDLE_REG_VERSION) != HEDDLE_MAP_VERSION)
        return HEDDLE_NO_ENGINE;
    if (heddle_header_word(HEDDLE_IMAGE_MAGIC_WORD) != HEDDLE_IMAGE_MAGIC)
        return HEDDLE_NO_IMAGE;
    uint32_t resident = heddle_header_word(HEDDLE_IMAGE_STREAM_OFFSET_WORD);
    uint32_t streamed = heddle_header_word(HEDDLE_IMAGE_STREAM_BYTES_WORD);
    model.input = heddle_header_word(HEDDLE_IMAGE_INPUT_ADDRESS_WORD);
    model.input_bytes = heddle_header_word(HEDDLE_IMAGE_INPUT_BYTES_WORD);
    model.output = heddle_header_word(HEDDLE_IMAGE_OUTPUT_ADDRESS_WORD);
    model.output_bytes = heddle_header_word(HEDDLE_IMAGE_OUTPUT_BYTES_WORD);
    model.layers = heddle_header_word(HEDDLE_IMAGE_LAYERS_WORD);
    if (heddle_header_word(HEDDLE_IMAGE_VERSION_WORD) != HEDDLE_IMAGE_VERSION
        || resident < HEDDLE_IMAGE_HEADER_BYTES || resident > HEDDLE_WINDOW_BYTES - HEDDLE_WEIGHT_WINDOW
        || resident + streamed != heddle_header_word(HEDDLE_IMAGE_IMAGE_BYTES_WORD) || resident + streamed < streamed
        || !window_holds(HEDDLE_ACT_WINDOW, HEDDLE_ACT_END, model.input, model.input_bytes)
        || !window_holds(HEDDLE_ACT_WINDOW, HEDDLE_ACT_END, model.output, model.output_bytes)
        /* else they end where the scratchpad does, and a larger one would be another design */
        || (HEDDLE_ACT_END != HEDDLE_WEIGHT_WINDOW
            && heddle_header_word(HEDDLE_IMAGE_ACT_BYTES_WORD) > HEDDLE_ACT_END - HEDDLE_ACT_WINDOW)
        || model.layers > HEDDLE_MOST_LAYERS)
        return HEDDLE_BAD_IMAGE;
    int status = find_stream(streamed);
    if (status != HEDDLE_OK)
        return status;
    if (load(resident, streamed) != heddle_header_word(HEDDLE_IMAGE_CRC32_WORD))
        return HEDDLE_BAD_IMAGE;
    if (!read_calls(resident, streamed))
        return HEDDLE_BAD_IMAGE;
    if (heddle_header_word(HEDDLE_IMAGE_FINGERPRINT_WORD) != *heddle_word(HEDDLE_REG_ID))
        return HEDDLE_WRONG_DESIGN;
    return HEDDLE_OK;
}

static volatile int8_t *activations(void)
{
    return (volatile int8_t *)heddle_word(HEDDLE_ACT_WINDOW);
}

void heddle_reset(void)
{
    if (model.status != HEDDLE_OK)
        return;
    for (const volatile uint32_t *call = model.resets; call < model.calls; call += 2 + call[1])
        kernels[call[0] - 1](&call[2], activations());
}

int heddle_open(void)
{
    model.status = read_header();
    heddle_reset();
    return model.status;
}

uint32_t heddle_input_bytes(void)
{
    return model.status == HEDDLE_OK ? model.input_bytes : 0;
}

uint32_t heddle_output_bytes(void)
{
    return model.status == HEDDLE_OK ? model.output_bytes : 0;
}

volatile int8_t *heddle_input(void)
{
    return (volatile int8_t *)(HEDDLE_ENGINE_BASE + HEDDLE_ACT_WINDOW + model.input);
}

volatile int8_t *heddle_output(void)
{
    return (volatile int8_t *)(HEDDLE_ENGINE_BASE + HEDDLE_ACT_WINDOW + model.output);
}

void heddle_set_stream(const volatile uint32_t *content, uint32_t address)
{
    outside.content = content;
    outside.address = address;
}

void heddle_set_limit(uint32_t cycles)
{
    model.limit = cycles;
}

/* Polls: the engine's interrupt is not connected. Registers can be read without slowing the engine down. */
HEDDLE_OFTEN static int run(const volatile uint32_t *words, uint32_t begun)
{
    *heddle_word(HEDDLE_REG_PROGRAM) = words[HEDDLE_RUN_PROGRAM];
    *heddle_word(HEDDLE_REG_STREAM) = model.stream_address + words[HEDDLE_RUN_STREAM_START];
    uint32_t ticket = (*heddle_word(HEDDLE_REG_TICKET) + 1) & HEDDLE_TICKET_MASK;
    *heddle_word(HEDDLE_REG_TICKET) = ticket;
    if (*heddle_word(HEDDLE_REG_TICKET) != ticket)
        return HEDDLE_BUSY;
    while (*heddle_word(HEDDLE_REG_DONE) != ticket)
        if (model.limit && heddle_mcycle() - begun > model.limit)
            return HEDDLE_TIMEOUT;
    return *heddle_word(HEDDLE_REG_STATUS) >> 8 & 255 ? HEDDLE_ENGINE_ERROR : HEDDLE_OK;
}

/* What the engine says of its last run, behind the layers that are known. */
static void read_log(heddle_cycles *cycles, uint32_t layers)
{
    cycles->engine += *heddle_word(HEDDLE_REG_CYCLES);
    for (uint32_t n = 0; n < layers; n++)
        cycles->layer[cycles->layers++] = layer_cycles(n);
}

HEDDLE_OFTEN int heddle_infer(const int8_t *input, int8_t *output, heddle_cycles *cycles)
{
    uint32_t begun = heddle_mcycle(), reading = 0, unread = 0, kernel = model.layers;
    if (model.status != HEDDLE_OK)
        return model.status;
    if (*heddle_word(HEDDLE_REG_STATUS) & 1)
        return HEDDLE_BUSY;
    if (input)
        heddle_move(heddle_input(), input, model.input_bytes);
    if (cycles)
        cycles->engine = cycles->layers = 0;
    for (const volatile uint32_t *call = model.calls; call < model.calls_end; call += 2 + call[1]) {
        uint32_t runner = call[0], start = heddle_mcycle();
        if (runner == HEDDLE_CALL_ENGINE) {
            if (cycles && unread) {      /* the engine keeps one run's log */
                read_log(cycles, unread);
                reading += heddle_mcycle() - start;
            }
            int status = run(&call[2], begun);
            if (status != HEDDLE_OK)
                return status;
            unread = call[2 + HEDDLE_RUN_LAYERS];
            continue;
        }
        kernels[runner - 1](&call[2], activations());
        if (cycles)
            cycles->layer[kernel++] = heddle_mcycle() - start;
        if (model.limit && heddle_mcycle() - begun > model.limit)
            return HEDDLE_TIMEOUT;
    }
    if (output)
        heddle_move(output, heddle_output(), model.output_bytes);
    if (cycles) {
        cycles->total = heddle_mcycle() - begun - reading;
        if (unread)
            read_log(cycles, unread);
        cycles->kernels = model.kernels;
    }
    return HEDDLE_OK;
}
