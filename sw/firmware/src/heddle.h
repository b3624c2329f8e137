/* Running a model. Link crt0.S, support.c and your own main.c with heddle.c, which runs a model image on the engine, or
 * with software.c and a generated model.c, which run it on the CPU behind the same functions; and kernels/ with both. */
#ifndef HEDDLE_H
#define HEDDLE_H

#include "heddle_config.h"

typedef struct {
    uint32_t total;                               /* mcycle, from the input in memory to the output in memory */
    uint32_t engine;                              /* the engine's part of it, of all its runs */
    uint32_t layers, kernels;                     /* entries of layer, of each kind */
    uint32_t layer[HEDDLE_MOST_LAYERS];           /* engine cycles of each layer, then mcycle of each call of the CPU */
} heddle_cycles;

/* Checks the engine and the model image in its weight scratchpad, once, before the first inference and after a new
 * image. Returns HEDDLE_OK, HEDDLE_NO_ENGINE, HEDDLE_NO_IMAGE, HEDDLE_BAD_IMAGE, HEDDLE_NO_STREAM or
 * HEDDLE_WRONG_DESIGN. */
int heddle_open(void);

/* Brings the open model's states, of a network that has some, to their beginning, as heddle_open() does. Between two
 * inferences they stay. */
void heddle_reset(void);

/* A word of the model image's header (HEDDLE_IMAGE_..._WORD), whatever it holds. */
uint32_t heddle_header_word(uint32_t index);

/* Sizes of the open model's input and output, bytes; 0 before heddle_open() returned HEDDLE_OK. */
uint32_t heddle_input_bytes(void);
uint32_t heddle_output_bytes(void);

/* One inference. input or output may be a null pointer: it then stays in the engine's memory (heddle_input(),
 * heddle_output()); they may overlap, and cycles may overlap the input. cycles may be a null pointer. Returns HEDDLE_OK, what heddle_open() would
 * return, HEDDLE_BUSY, HEDDLE_TIMEOUT or HEDDLE_ENGINE_ERROR; the output is written only if HEDDLE_OK. */
int heddle_infer(const int8_t *input, int8_t *output, heddle_cycles *cycles);

/* Engine only: where the open model's input and output lie in the engine's memory, as the CPU sees it (uncached). */
volatile int8_t *heddle_input(void);
volatile int8_t *heddle_output(void);

/* Engine only, before heddle_open(), for a design with a memory outside that weights stream from: where the streamed
 * part of the model image lies in it, as the CPU sees it and as the engine's memory port addresses it. */
void heddle_set_stream(const volatile uint32_t *content, uint32_t address);

/* Cycles that an inference may take before it is HEDDLE_TIMEOUT; 0, as after start, for no limit. */
void heddle_set_limit(uint32_t cycles);

/* One of the engine's registers or memory words, by byte offset in its region. */
static inline volatile uint32_t *heddle_word(uint32_t offset)
{
    return (volatile uint32_t *)(HEDDLE_ENGINE_BASE + offset);
}

/* CRC-32 register after one more byte; begins and ends inverted. */
extern const uint32_t heddle_crc_table[16];
static inline __attribute__((always_inline)) uint32_t heddle_crc(uint32_t crc, uint32_t byte)
{
    crc = crc >> 4 ^ heddle_crc_table[(crc ^ byte) & 15];
    return crc >> 4 ^ heddle_crc_table[(crc ^ byte >> 4) & 15];
}

/* Clock cycles, counted by the CPU or beside it. */
static inline uint32_t heddle_mcycle(void)
{
#ifdef HEDDLE_CYCLE_CSR
    uint32_t now;
    __asm__ volatile("csrr %0, " HEDDLE_CYCLE_CSR : "=r"(now));
    return now;
#else
    return *(volatile uint32_t *)(HEDDLE_IO_BASE + HEDDLE_IO_CYCLES);
#endif
}

#endif
