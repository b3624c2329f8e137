/* Serves the protocol of sw/firmware/protocol.py over the UART. */
#include "heddle.h"
#include "kernel.h"

/* Of the UART, some ten cycles each. */
#define SILENCE_POLLS (1u << 18)
#define HEAD_BYTES 4u       /* op, sequence number, length */

/* A frame's payload: of the request, then of the response. Of an inference the cycles, as they are sent, with the output
 * behind those that there are; until that is there a function may use what is behind all that there may be. */
uint32_t heddle_workspace[HEDDLE_MAX_PAYLOAD / 4];
static uint32_t *const words = heddle_workspace;
static int8_t *const content = (int8_t *)heddle_workspace;
static heddle_cycles *const spent = (heddle_cycles *)heddle_workspace;

static uint32_t crc;        /* of what is sent */

static volatile uint32_t *io_word(uint32_t offset)
{
    return (volatile uint32_t *)(HEDDLE_IO_BASE + offset);
}

typedef struct {
    uint32_t op, sequence, bytes;
    int lost;               /* it broke off: after a long silence */
} request;

/* The next frame, its payload in the buffer if it fits there: HEDDLE_OK, HEDDLE_BAD_LENGTH or HEDDLE_BAD_CRC, unless it
 * was lost. Bytes do not wait long, so there is one loop for all of them. */
HEDDLE_AT_REST static uint32_t receive(request *frame)
{
    uint32_t last = 0, byte = 0, head = 0, sum = ~0u, sent = 0, payload = 0;
    while (last != HEDDLE_MAGIC_0 || byte != HEDDLE_MAGIC_1) {
        uint32_t next = *io_word(HEDDLE_IO_UART_DATA);
        if (!(next & HEDDLE_UART_EMPTY)) {
            last = byte;
            byte = next;
        }
    }
    frame->lost = 1;
    for (uint32_t n = 0, polls = 0; n < HEAD_BYTES + payload + 4;) {
        byte = *io_word(HEDDLE_IO_UART_DATA);
        if (byte & HEDDLE_UART_EMPTY) {
            if (++polls == SILENCE_POLLS)
                return 0;
            continue;
        }
        polls = 0;
        if (n < HEAD_BYTES + payload)
            sum = heddle_crc(sum, byte);
        else
            sent = sent >> 8 | byte << 24;
        if (n < HEAD_BYTES)
            head = head >> 8 | byte << 24;
        else if (n < HEAD_BYTES + payload)
            content[n - HEAD_BYTES] = (int8_t)byte;
        if (++n == HEAD_BYTES && (payload = head >> 16) > HEDDLE_MAX_PAYLOAD)
            break;
    }
    frame->op = head & 255;
    frame->sequence = head >> 8 & 255;
    frame->bytes = payload;
    frame->lost = 0;
    return payload > HEDDLE_MAX_PAYLOAD ? HEDDLE_BAD_LENGTH : ~sum == sent ? HEDDLE_OK : HEDDLE_BAD_CRC;
}

static void put(uint32_t byte)
{
    byte &= 255;
    while (!*io_word(HEDDLE_IO_UART_ROOM))
        ;
    *io_word(HEDDLE_IO_UART_DATA) = byte;
    crc = heddle_crc(crc, byte);
}

static void respond(uint32_t status, uint32_t sequence, uint32_t bytes)
{
    put(HEDDLE_MAGIC_0);
    put(HEDDLE_MAGIC_1);
    crc = ~0u;
    put(status);
    put(sequence);
    put(bytes);
    put(bytes >> 8);
    for (uint32_t n = 0; n < bytes; n++)
        put(content[n]);
    uint32_t sum = ~crc;
    for (int n = 0; n < 4; n++, sum >>= 8)
        put(sum);
}

/* Particulars of what went wrong on the engine. */
static uint32_t engine_state(void)
{
    words[0] = *heddle_word(HEDDLE_REG_STATUS);
    words[1] = *heddle_word(HEDDLE_REG_DONE);
    words[2] = *heddle_word(HEDDLE_REG_CYCLES);
    words[3] = *heddle_word(HEDDLE_REG_PC);
    return 16;
}

static uint32_t info(uint32_t status)
{
    words[0] = HEDDLE_PROTOCOL_VERSION;
    words[1] = *heddle_word(HEDDLE_REG_ID);
    words[2] = *heddle_word(HEDDLE_REG_VERSION);
    words[3] = status;
    for (uint32_t n = 0; n < HEDDLE_IMAGE_HEADER_BYTES / 4; n++)
        words[4 + n] = heddle_header_word(n);
    return 16 + HEDDLE_IMAGE_HEADER_BYTES;
}

static int writable(uint32_t begin, uint32_t end, uint32_t offset, uint32_t size)
{
    return offset >= begin && offset <= end && size <= end - offset;
}

static uint32_t write(uint32_t bytes, uint32_t *length)
{
    uint32_t offset = words[0], size = bytes - 4;
    if (bytes < 4)
        return HEDDLE_BAD_LENGTH;
    if ((offset | size) & 3 || !(writable(HEDDLE_ACT_WINDOW, HEDDLE_WRITABLE_END, offset, size)
#ifdef HEDDLE_OUTSIDE
        || writable(HEDDLE_OUTSIDE, HEDDLE_OUTSIDE_END, offset, size)
#endif
        ))
        return HEDDLE_BAD_ADDRESS;
    for (uint32_t n = 0; n < size / 4; n++)
        *heddle_word(offset + 4 * n) = words[1 + n];
    *length = 0;
    return HEDDLE_OK;
}

static uint32_t read(uint32_t bytes, uint32_t *length)
{
    uint32_t offset = words[0], size = words[1];
    if (bytes != 8 || size > HEDDLE_MAX_PAYLOAD)
        return HEDDLE_BAD_LENGTH;
    if ((offset | size) & 3 || offset > HEDDLE_WINDOW_BYTES || size > HEDDLE_WINDOW_BYTES - offset)
        return HEDDLE_BAD_ADDRESS;
    for (uint32_t n = 0; n < size / 4; n++)
        words[n] = *heddle_word(offset + 4 * n);
    *length = size;
    return HEDDLE_OK;
}

static uint32_t infer(uint32_t bytes, uint32_t *length)
{
    if (bytes < 8)
        return HEDDLE_BAD_LENGTH;
    uint32_t in_place = words[1] & HEDDLE_IN_PLACE;
    uint32_t output_bytes = in_place ? 0 : heddle_output_bytes();
    uint32_t head = 16;
    int8_t *input = &content[8];
    if (heddle_input_bytes() && bytes - 8 != (in_place ? 0 : heddle_input_bytes()))
        return HEDDLE_BAD_LENGTH;
    /* The cycles take the place of the input, which was copied before them. The output goes to the buffer's end, then
     * behind the cycles: their number is not known before. */
    if (output_bytes > HEDDLE_MAX_PAYLOAD - head - 4 * HEDDLE_MOST_LAYERS)
        return HEDDLE_BAD_LENGTH;
    int8_t *output = &content[(HEDDLE_MAX_PAYLOAD - output_bytes) & ~3u];
    heddle_set_limit(words[0]);
    int status = heddle_infer(in_place ? 0 : input, in_place ? 0 : output, spent);
    if (status == HEDDLE_BUSY || status == HEDDLE_TIMEOUT || status == HEDDLE_ENGINE_ERROR)
        *length = engine_state();
    if (status != HEDDLE_OK)
        return (uint32_t)status;
    head += 4 * (spent->layers + spent->kernels);
    for (uint32_t n = 0; n < output_bytes; n++)
        content[head + n] = output[n];
    *length = head + output_bytes;
    return HEDDLE_OK;
}

static uint32_t run_cfu(uint32_t bytes, uint32_t *length)
{
    if (bytes % 12)
        return HEDDLE_BAD_LENGTH;
#ifdef HEDDLE_CFU_ENABLE
    for (uint32_t n = 0; n < bytes / 12; n++)
        words[n] = heddle_cfu(words[3 * n], words[3 * n + 1], words[3 * n + 2]);
    *length = bytes / 3;
    return HEDDLE_OK;
#else
    *length = 0;
    return HEDDLE_NO_CFU;
#endif
}

static uint32_t serve(uint32_t op, uint32_t bytes, uint32_t *length, int *opened)
{
    switch (op) {
    case HEDDLE_OP_OPEN:
        *opened = heddle_open();
        /* fall through */
    case HEDDLE_OP_INFO:
        *length = info((uint32_t)*opened);
        return HEDDLE_OK;
    case HEDDLE_OP_WRITE:
        return write(bytes, length);
    case HEDDLE_OP_READ:
        return read(bytes, length);
    case HEDDLE_OP_INFER:
        return infer(bytes, length);
    case HEDDLE_OP_CFU:
        return run_cfu(bytes, length);
    default:
        return HEDDLE_BAD_OP;
    }
}

void heddle_trap(uint32_t cause, uint32_t pc, uint32_t value)
{
    words[0] = cause;
    words[1] = pc;
    words[2] = value;
    respond(HEDDLE_TRAP, 0, 12);
}

int main(void)
{
#ifdef HEDDLE_OUTSIDE
    heddle_set_stream(heddle_word(HEDDLE_OUTSIDE), 0);
#endif
    int opened = heddle_open();
    for (;;) {
        *io_word(HEDDLE_IO_LEDS) = 1u << (opened & 7);
        request frame;
        uint32_t length = 0, status = receive(&frame);
        if (frame.lost)
            continue;
        if (status == HEDDLE_OK)
            status = serve(frame.op, frame.bytes, &length, &opened);
        respond(status, frame.sequence, length);
    }
}
