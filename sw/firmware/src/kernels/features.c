/* Features of a waveform, as sw/golden/features.py defines them: those of TensorFlow Lite Micro's front end. What
 * depends on windows and channels comes with the call, as halves of words.
 *
 * A window is transformed in the firmware's own memory: a real transform of 2 N points as a complex one of N, by fours
 * from the innermost on, in place.
 *
 * On VexRiscv 199,000 cycles for a window of 480 samples and 40 channels. */
#include "kernel.h"

#define WINDOW_BITS 12
#define WEIGHT_BITS 12
#define NOISE_BITS 14
#define SMOOTHING_BITS 10
#define EVEN_SMOOTHING 409           /* 0.025 of 1 << NOISE_BITS */
#define ODD_SMOOTHING 983            /* 0.06 */
#define LEAST_SIGNAL 819             /* 0.05 */
#define GAIN_BITS 21
#define SNR_BITS 12
#define OUTPUT_BITS 6
#define GAINS 125
#define LOG_BITS 16
#define LOG_SEGMENTS 7
#define LOG_SHIFT 6
#define LN_2 45426
#define FRACTION 24

typedef const volatile int16_t *table;
typedef union {
    int16_t part[2];                 /* of a complex number */
    uint32_t power;
} line;

typedef struct {
    table window, twiddles, splitting, edges, weights, gains, logarithms;
    uint32_t half, size, channels, correction;
    line *lines;                     /* half */
    uint32_t *noise;                 /* channels */
} frontend;

static int16_t fraction(uint32_t value)
{
    return (int16_t)((int32_t)(value + (1u << 14)) >> 15);
}

static uint32_t bits(uint32_t value)
{
    uint32_t count = 0;
    for (; value; value >>= 1)
        count++;
    return count;
}

static line turned(line value, table angle)
{
    int32_t cosine = angle[0], sine = angle[1], real = value.part[0], imaginary = value.part[1];
    line result;
    result.part[0] = fraction((uint32_t)(real * cosine) - (uint32_t)(imaginary * sine));
    result.part[1] = fraction((uint32_t)(real * sine) + (uint32_t)(imaginary * cosine));
    return result;
}

static line divided(line value, int32_t factor)
{
    line result;
    result.part[0] = fraction((uint32_t)(value.part[0] * factor));
    result.part[1] = fraction((uint32_t)(value.part[1] * factor));
    return result;
}

/* Where the transform wants an element: its digits, of two bits and perhaps one of a bit, in the other order. */
static uint32_t place_of(uint32_t index, uint32_t half)
{
    uint32_t place = 0;
    while (half > 1) {
        uint32_t radix_bits = half & 3 ? 1 : 2;
        half >>= radix_bits;
        place += (index & ((1u << radix_bits) - 1)) * half;
        index >>= radix_bits;
    }
    return place;
}

/* A window of samples in the order of the transform, as loud as 16 bits allow; by how many bits it was raised. */
static uint32_t load(const frontend *own, const volatile int16_t *samples)
{
    int32_t most = 0;
    for (uint32_t n = 0; n < own->half; n++)
        own->lines[n].power = 0;
    for (uint32_t n = 0; n < own->size; n++) {
        int16_t value = (int16_t)(samples[n] * own->window[n] >> WINDOW_BITS);
        int16_t size = (int16_t)(value < 0 ? -value : value);
        most = size > most ? size : most;
        own->lines[place_of(n >> 1, own->half)].part[n & 1] = value;
    }
    uint32_t shift = 15 - bits((uint32_t)most);
    for (uint32_t n = 0; n < own->half; n++)
        for (uint32_t part = 0; part < 2; part++)
            own->lines[n].part[part] = (int16_t)((uint32_t)own->lines[n].part[part] << shift);
    return shift;
}

static void by_twos(const frontend *own)
{
    for (line *at = own->lines; at < own->lines + own->half; at += 2) {
        line one = divided(at[0], 32767 / 2), two = turned(divided(at[1], 32767 / 2), own->twiddles);
        for (uint32_t part = 0; part < 2; part++) {
            at[0].part[part] = (int16_t)(one.part[part] + two.part[part]);
            at[1].part[part] = (int16_t)(one.part[part] - two.part[part]);
        }
    }
}

static void by_fours(const frontend *own, uint32_t length)
{
    uint32_t step = own->half / (4 * length);
    for (line *block = own->lines; block < own->lines + own->half; block += 4 * length)
        for (uint32_t n = 0; n < length; n++) {
            line *at = block + n, a = divided(at[0], 32767 / 4), b = divided(at[length], 32767 / 4);
            line c = divided(at[2 * length], 32767 / 4), d = divided(at[3 * length], 32767 / 4);
            b = turned(b, own->twiddles + 2 * n * step);
            c = turned(c, own->twiddles + 4 * n * step);
            d = turned(d, own->twiddles + 6 * n * step);
            int32_t even = a.part[0] - c.part[0], even_i = a.part[1] - c.part[1];
            int32_t total = a.part[0] + c.part[0], total_i = a.part[1] + c.part[1];
            int32_t odd = b.part[0] - d.part[0], odd_i = b.part[1] - d.part[1];
            int32_t both = b.part[0] + d.part[0], both_i = b.part[1] + d.part[1];
            at[0].part[0] = (int16_t)(total + both);
            at[0].part[1] = (int16_t)(total_i + both_i);
            at[length].part[0] = (int16_t)(even + odd_i);
            at[length].part[1] = (int16_t)(even_i - odd);
            at[2 * length].part[0] = (int16_t)(total - both);
            at[2 * length].part[1] = (int16_t)(total_i - both_i);
            at[3 * length].part[0] = (int16_t)(even - odd_i);
            at[3 * length].part[1] = (int16_t)(even_i + odd);
        }
}

static uint32_t power(int32_t real, int32_t imaginary)
{
    int16_t one = (int16_t)(real >> 1), two = (int16_t)(imaginary >> 1);
    return (uint32_t)(one * one) + (uint32_t)(two * two);
}

/* The power of lines 1 to half - 1 of the real transform. */
static void split(const frontend *own)
{
    for (uint32_t n = 1; n <= own->half / 2; n++) {
        line below = divided(own->lines[n], 32767 / 2), above = own->lines[own->half - n], apart;
        above.part[1] = (int16_t)-above.part[1];
        above = divided(above, 32767 / 2);
        int16_t real = (int16_t)(below.part[0] + above.part[0]), imaginary = (int16_t)(below.part[1] + above.part[1]);
        apart.part[0] = (int16_t)(below.part[0] - above.part[0]);
        apart.part[1] = (int16_t)(below.part[1] - above.part[1]);
        apart = turned(apart, own->splitting + 2 * (n - 1));
        own->lines[n].power = power(real + apart.part[0], imaginary + apart.part[1]);
        own->lines[own->half - n].power = power(real - apart.part[0], apart.part[1] - imaginary);
    }
}

static uint32_t root(uint64_t value)
{
    uint64_t result = 0, left = value;
    for (uint64_t bit = 1ull << 62; bit; bit >>= 2) {
        if (left >= result + bit) {
            left -= result + bit;
            result = (result >> 1) + bit;
        } else
            result >>= 1;
    }
    return (uint32_t)result + (left > result && (result != 0xFFFF || value >> 32));
}

/* A channel's signal without its noise, whose estimate goes on. */
static uint32_t without_noise(uint32_t signal, uint32_t *noise, uint32_t smoothing)
{
    uint32_t raised = signal << SMOOTHING_BITS;
    uint32_t estimate = (uint32_t)(((uint64_t)raised * smoothing
                                    + (uint64_t)*noise * ((1u << NOISE_BITS) - smoothing)) >> NOISE_BITS);
    uint32_t least = (uint32_t)((uint64_t)signal * LEAST_SIGNAL >> NOISE_BITS);
    *noise = estimate;
    uint32_t left = (raised - (estimate > raised ? raised : estimate)) >> SMOOTHING_BITS;
    return left > least ? left : least;
}

static uint32_t normalized(const frontend *own, uint32_t signal, uint32_t noise)
{
    int16_t gain;
    if (noise <= 2)
        gain = own->gains[noise];
    else {
        uint32_t interval = bits(noise);
        table curve = own->gains + 4 * interval - 6;
        int32_t part = (interval < 11 ? noise << (11 - interval) : noise >> (interval - 11)) & 0x3FF;
        uint32_t slope = (uint32_t)((curve[2] * part >> 5) + (int32_t)((uint32_t)curve[1] << 5));
        gain = (int16_t)(((int32_t)(slope * (uint32_t)part + (1u << 14)) >> 15) + curve[0]);
    }
    uint32_t ratio = (uint32_t)((uint64_t)signal * (uint32_t)gain >> (GAIN_BITS - own->correction - SNR_BITS));
    if (ratio < 2u << SNR_BITS)
        return ratio * ratio >> (2 + 2 * SNR_BITS - OUTPUT_BITS);
    return (ratio >> (SNR_BITS - OUTPUT_BITS)) - (1u << OUTPUT_BITS);
}

static uint32_t logarithm(const frontend *own, uint32_t value)
{
    value = (int32_t)own->correction >= 0 ? value << own->correction : value >> -own->correction;
    if (value <= 1)
        return 0;
    uint32_t whole = bits(value) - 1, part = value - (1u << whole);
    part = whole < LOG_BITS ? part << (LOG_BITS - whole) : part >> (whole - LOG_BITS);
    uint32_t segment = part >> (LOG_BITS - LOG_SEGMENTS), first = segment << (LOG_BITS - LOG_SEGMENTS);
    int32_t below = (uint16_t)own->logarithms[segment], above = (uint16_t)own->logarithms[segment + 1];
    part += (uint32_t)(below + ((above - below) * (int32_t)(part - first) >> LOG_BITS));
    uint32_t natural = (uint32_t)(((uint64_t)LN_2 * ((whole << LOG_BITS) + part) + (1u << (LOG_BITS - 1))) >> LOG_BITS);
    uint32_t scaled = ((natural << LOG_SHIFT) + (1u << (LOG_BITS - 1))) >> LOG_BITS;
    return scaled < 0xFFFF ? scaled : 0xFFFF;
}

void heddle_kernel_features(const volatile uint32_t *words, volatile int8_t *memory)
{
    const volatile int16_t *samples = (const volatile int16_t *)(memory + words[HEDDLE_FEATURES_SOURCE]);
    volatile int8_t *out = memory + words[HEDDLE_FEATURES_OUTPUT];
    uint32_t multiplier = words[HEDDLE_FEATURES_MULTIPLIER];
    int32_t zero = (int32_t)words[HEDDLE_FEATURES_ZERO];
    frontend own = {.half = words[HEDDLE_FEATURES_HALF], .size = words[HEDDLE_FEATURES_WINDOW],
                    .channels = words[HEDDLE_FEATURES_CHANNELS]};
    own.noise = heddle_workspace + HEDDLE_MAX_PAYLOAD / 4 - own.channels;
    own.lines = (line *)(own.noise - own.half);
    own.window = (table)&words[HEDDLE_FEATURES_TABLE];
    own.twiddles = own.window + own.size;
    own.splitting = own.twiddles + 2 * own.half;
    own.edges = own.splitting + own.half;
    own.weights = own.edges + own.channels + 2;
    own.gains = own.weights + (own.edges[own.channels + 1] - own.edges[0]);
    own.logarithms = own.gains + GAINS;
    own.correction = bits(own.half) - WEIGHT_BITS / 2;
    for (uint32_t channel = 0; channel < own.channels; channel++)
        own.noise[channel] = 0;
    for (uint32_t frames = words[HEDDLE_FEATURES_FRAMES]; frames--; samples += words[HEDDLE_FEATURES_HOP]) {
        uint32_t shift = load(&own, samples), length = 1;
        if (!(bits(own.half) & 1)) {
            by_twos(&own);
            length = 2;
        }
        for (; length < own.half; length *= 4)
            by_fours(&own, length);
        split(&own);
        table weight = own.weights;
        uint64_t rising = 0, falling = 0;
        uint32_t at = (uint32_t)own.edges[0];
        for (uint32_t channel = 0; channel <= own.channels; channel++) {
            rising = falling;
            falling = 0;
            for (uint32_t end = (uint32_t)own.edges[channel + 1]; at < end; at++, weight++) {
                uint32_t own_weight = (uint32_t)*weight;
                rising += (uint64_t)own.lines[at].power * own_weight;
                falling += (uint64_t)own.lines[at].power * ((1u << WEIGHT_BITS) - own_weight);
            }
            if (!channel)
                continue;
            uint32_t *noise = &own.noise[channel - 1];
            uint32_t signal = without_noise(root(rising) >> shift, noise,
                                            channel & 1 ? EVEN_SMOOTHING : ODD_SMOOTHING);
            uint32_t value = logarithm(&own, normalized(&own, signal, *noise));
            int32_t scaled = (int32_t)(((uint64_t)value * multiplier + (1u << (FRACTION - 1))) >> FRACTION) + zero;
            *out++ = (int8_t)heddle_clamp(scaled, -128, 127);
        }
    }
}
