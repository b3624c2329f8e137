// Runs a model image on the Verilated engine for many inputs, as a Wishbone master would.
//
// Usage: sim REQUEST ANSWER [WAVES]. The files' layouts are in cosim/engine.py; words are 32 bits, little-endian.
// The end of a run is seen on `irq`, so that no bus access changes its cycles.
// cosim/engine.py defines macros: addresses of registers, the shape of the layer log (COUNTERS of LOG_WORDS words are
// used), ID_DIFFERENCE (between the ID register and the image's fingerprint), for designs that stream weights from
// outside STREAM_BYTES (else 0) and MEMORY_LATENCY_CYCLES, and LANES, the inputs side by side: one, or as many as
// cosim/lanes.py made the model for.

#include "Vtop.h"
#include "Vtop___024root.h"

#include <cstdint>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <random>
#include <type_traits>
#include <vector>

#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

// How Verilator spells bus__name and memory__part__name.
#define BUS(name) bus___05F##name
#define MEMORY(part, name) memory___05F##part##___05F##name

namespace {

enum Failure : uint32_t { NONE, NO_END, NO_ACK, ENGINE_ERROR, WRONG_TICKET, WRONG_ID, OUTSIDE, APART };

struct Stopped {
    Failure kind;
};

// The engine pauses for the bus within a few cycles, but a read of a scratchpad while a layer waits for a block of its
// stream is answered when that is there: then the run's own limit holds.
constexpr uint32_t ACK_LIMIT_CYCLES = 10000;

// After these nothing that the bus wrote is on its way to a memory any more.
constexpr uint32_t WRITTEN_CYCLES = 8;

// What the bus reads: a word, or one in each lane.
using Word = std::remove_cvref_t<decltype(Vtop::BUS(dat_r))>;

#if LANES > 1
uint32_t in_lane(const Word& word, int lane) { return word.v[lane]; }
uint32_t in_all(const Word& word) { return lanes_same(word); }
void write_lanes(int lane) { LanesWritten::only = lane; }
constexpr int EVERY_LANE = LanesWritten::EVERY;
#else
struct LanesApart {};
uint32_t in_lane(Word word, int) { return word; }
uint32_t in_all(Word word) { return word; }
void write_lanes(int) {}
constexpr int EVERY_LANE = 0;
#endif

// Verilator remembers the clock's last value; setting it replaces an evaluation at the falling edge, at which nothing
// in the engine happens. Other versions of Verilator may name it otherwise: then that edge is evaluated.
template <typename Root>
bool forget_clock(Root* root) {
    if constexpr (requires { root->__Vtrigprevexpr___TOP__clk__0; }) {
        root->__Vtrigprevexpr___TOP__clk__0 = 0;
        return true;
    }
    return false;
}

// A rising edge before which no other input changed: an evaluation without its part for inputs, and without what other
// models than this single-threaded one need around it. Other versions of Verilator may name the phases otherwise.
template <typename Root>
bool edge_alone(Root* root) {
    if constexpr (requires { Vtop___024root___eval_phase__act(root), Vtop___024root___eval_phase__nba(root); }) {
        do {
            while (Vtop___024root___eval_phase__act(root)) {}
        } while (Vtop___024root___eval_phase__nba(root));
        return true;
    }
    return false;
}

// The memory that weights stream from, at the edges of the clock. It takes one request at a time and gives its first
// beat MEMORY_LATENCY_CYCLES later, then one in every cycle; with `random` it takes and gives when it likes. The engine's
// request does not depend on the memory within a cycle, and it takes every beat, so no settling comes between the two.
struct Memory {
    const uint8_t* content = nullptr;
    uint32_t base = 0, size = 0;
    std::unique_ptr<std::mt19937> random;
    bool changed = false;  // give() did something
    bool failed = false;   // a request was not inside, at address `outside`; nothing is taken any more
    uint32_t outside = 0;

#if STREAM_BYTES
    // Just before the rising edge.
    void take(const Vtop& top) {
        if (top.MEMORY(data, valid)) {
            left--;
            next += STREAM_BYTES;
        }
        if (!top.MEMORY(request, valid) || !top.MEMORY(request, ready) || failed) return;
        next = top.MEMORY(request, payload___05Faddress);
        left = top.MEMORY(request, payload___05Fbeats);
        wait = MEMORY_LATENCY_CYCLES + (random ? (*random)() % 50 : 0);
        if (next < base || next - base + uint64_t(left) * STREAM_BYTES > size) {
            outside = next;
            failed = true;
            left = 0;
        }
    }

    // What the engine sees in the cycle that begins.
    void give(Vtop& top) {
        if (wait) wait--;
        const bool beat = left && !wait && !(random && (*random)() % 4 == 0);
        const bool ready = !left && !(random && (*random)() % 4 == 0);
        changed = beat || top.MEMORY(data, valid) || top.MEMORY(request, ready) != ready;
        top.MEMORY(request, ready) = ready;
        top.MEMORY(data, valid) = beat;
        if (beat) std::memcpy(&top.MEMORY(data, payload), content + (next - base), STREAM_BYTES);
    }

private:
    uint32_t next = 0, left = 0, wait = 0;  // byte address of the next beat, beats to come, cycles until then
#else
    void take(const Vtop&) {}
    void give(Vtop&) {}
#endif
};

class Bench {
public:
    Vtop top;
    Memory memory;
    uint64_t cycles = 0;
    bool ended = false;  // irq was seen since this was cleared
    uint64_t ack_limit = ACK_LIMIT_CYCLES;

    Bench() {
        top.clk = 0;
        top.BUS(cyc) = top.BUS(stb) = top.BUS(we) = 0;
        memory.give(top);
        cycle();
    }

    // One clock cycle in which inputs may have changed; outputs are settled when it returns false, as at the rising edge.
    void settle() {
        top.clk = 0;
        top.eval();
        dump();
        ended |= top.irq;
    }

    void rise(bool alone = false) {
        memory.take(top);
        top.clk = 1;
        if (!alone || !edge_alone(top.rootp)) top.eval();
        dump();
        ended |= top.irq;
        cycles++;
        memory.give(top);
    }

    void cycle() {
        settle();
        rise(!tracing());
    }

    // As cycle() up to its edge, where no input of the bus changed after the last one.
    void settle_again() {
        if (memory.changed || tracing() || !forget_clock(top.rootp)) settle();
    }

    // As wait(), but the bus is busy all the while: reads of both scratchpads and of registers, and the ticket again.
    void wait_with_traffic(uint64_t limit, uint32_t ticket, std::mt19937& random) {
        const uint64_t last = cycles + limit;
        while (!ended && cycles < last && !memory.failed) {
            for (uint32_t idle = random() & 15; idle && !ended; idle--) cycle();
            const uint32_t offset = random() & 0x7fffc;
            switch (ended ? 5 : random() % 5) {
                case 0: case 1: access(ACT_WINDOW + offset, false, 0, 15); break;
                case 2: access(WEIGHT_WINDOW + offset, false, 0, 15); break;
                case 3: access(offset & 0x1fc, false, 0, 15); break;
                case 4: write(REG_TICKET, ticket); break;
            }
        }
        require_end();
    }

    // Run until irq, or `limit` more cycles. Inputs stay as they are.
    void wait(uint64_t limit) {
        const uint64_t last = cycles + limit;
        while (!ended && cycles < last && !memory.failed) {
            const bool forgotten = !tracing() && forget_clock(top.rootp);
            if (!forgotten) settle();
            rise(forgotten && !memory.changed);
        }
        require_end();
    }

    void require_end() {
        if (memory.failed) throw Stopped{OUTSIDE};
        if (!ended) throw Stopped{NO_END};
    }

    Word access(uint32_t byte_address, bool write, uint32_t data, uint32_t select) {
        top.BUS(cyc) = top.BUS(stb) = 1;
        top.BUS(we) = write;
        top.BUS(sel) = select;
        top.BUS(adr) = byte_address >> 2;
        top.BUS(dat_w) = data;
        for (uint64_t waited = 0; waited < ack_limit; waited++) {
            if (waited) settle_again(); else settle();
            const bool ack = top.BUS(ack);
            const Word value = top.BUS(dat_r);
            rise(!tracing());
            if (ack) {
                top.BUS(cyc) = top.BUS(stb) = top.BUS(we) = 0;
                cycle();
                return value;
            }
        }
        top.BUS(cyc) = top.BUS(stb) = top.BUS(we) = 0;
        throw Stopped{NO_ACK};
    }

    uint32_t read(uint32_t address) { return in_all(access(address, false, 0, 15)); }
    void write(uint32_t address, uint32_t data) { access(address, true, data, 15); }

    void write_bytes(uint32_t address, const uint8_t* data, uint32_t size) {
        for (uint32_t done = 0; done < size;) {
            uint32_t word = 0, select = 0, lane = (address + done) & 3;
            const uint32_t base = address + done - lane;
            for (; lane < 4 && done < size; lane++, done++) {
                word |= uint32_t(data[done]) << 8 * lane;
                select |= 1u << lane;
            }
            access(base, true, word, select);
        }
    }

    // `size` bytes of each of `inputs` lanes, one lane after the other.
    void read_bytes(uint32_t address, uint8_t* data, uint32_t size, uint32_t inputs) {
        for (uint32_t done = 0; done < size;) {
            uint32_t byte = (address + done) & 3;
            const Word words = access(address + done - byte, false, 0, 15);
            for (; byte < 4 && done < size; byte++, done++)
                for (uint32_t lane = 0; lane < inputs; lane++)
                    data[size_t(lane) * size + done] = uint8_t(in_lane(words, lane) >> 8 * byte);
        }
    }

#if VM_TRACE
    std::unique_ptr<VerilatedVcdC> waves;
    void trace(const char* file) {
        if (file) {
            waves = std::make_unique<VerilatedVcdC>();
            top.trace(waves.get(), 99);
            waves->open(file);
        } else if (waves) {
            waves->close();
            waves.reset();
        }
    }
    void dump() { if (waves) waves->dump(2 * cycles + top.clk); }
    bool tracing() const { return bool(waves); }
#else
    void trace(const char*) {}
    void dump() {}
    bool tracing() const { return false; }
#endif
};

class File {
public:
    File(const char* name, const char* mode) : file(std::fopen(name, mode)) { check(file != nullptr); }

    template <typename T>
    void get(T* data, size_t count) { check(std::fread(data, sizeof(T), count, file) == count); }
    template <typename T>
    void put(const T* data, size_t count) { check(std::fwrite(data, sizeof(T), count, file) == count); }
    void close() { check(std::fclose(file) == 0); }

private:
    std::FILE* file;

    static void check(bool good) {
        if (good) return;
        std::perror("error: request or answer");
        std::exit(2);
    }
};

struct Request {
    uint32_t inputs, image_bytes, id, program, input_address, input_bytes, output_address, output_bytes, layers,
        cycle_limit, traced, traffic, stalls, stream_offset, stream_bytes, stream_address, stream_start,
        any_end;  // an error is no failure
};

struct Answer {
    uint32_t failure, done_inputs, status, done, run_cycles, pc, outside, unused;
    uint64_t cycles;
    double seconds;
};

void upload(Bench& bench, const Request& request, const std::vector<uint8_t>& image) {
    if (bench.read(REG_ID) != (request.id ^ ID_DIFFERENCE)) throw Stopped{WRONG_ID};
    bench.write_bytes(WEIGHT_WINDOW, image.data(), request.stream_offset);
    bench.write(REG_PROGRAM, request.program);
    if (!request.stream_bytes) return;
    const uint8_t* streamed = &image[request.stream_offset];
    bench.write(REG_STREAM, request.stream_address + request.stream_start);
    if (STREAM_BYTES) {
        bench.memory.content = streamed;
        bench.memory.base = request.stream_address;
        bench.memory.size = request.stream_bytes;
    } else {
        bench.write_bytes(ACT_WINDOW + request.stream_address, streamed, request.stream_bytes);
    }
}

// Run `inputs` inputs, as many as there are lanes at most; the lanes that are left hold what they held.
void infer(Bench& bench, const Request& request, uint32_t ticket, const uint8_t* input, uint32_t inputs, uint32_t* log,
           uint8_t* output) {
    for (uint32_t lane = 0; lane < inputs; lane++) {
        write_lanes(lane);
        bench.write_bytes(ACT_WINDOW + request.input_address, input + size_t(lane) * request.input_bytes,
                          request.input_bytes);
        for (uint32_t cycle = 0; LANES > 1 && cycle < WRITTEN_CYCLES; cycle++) bench.cycle();
    }
    write_lanes(EVERY_LANE);
    bench.ended = false;
    bench.write(REG_TICKET, ticket);
    if (request.traffic) {
        std::mt19937 random(request.traffic + ticket);
        if (request.stream_bytes) bench.ack_limit = std::max<uint64_t>(ACK_LIMIT_CYCLES, request.cycle_limit);
        bench.wait_with_traffic(request.cycle_limit, ticket, random);
    } else {
        bench.wait(request.cycle_limit);
    }
    bench.cycle();
    if (bench.read(REG_DONE) != ticket) throw Stopped{WRONG_TICKET};
    if (!request.any_end && bench.read(REG_STATUS) & 0xff01) throw Stopped{ENGINE_ERROR};
    const size_t entries = 1 + request.layers * COUNTERS;
    log[0] = bench.read(REG_CYCLES);
    for (uint32_t layer = 0; layer < request.layers; layer++)
        for (uint32_t counter = 0; counter < COUNTERS; counter++)
            log[1 + COUNTERS * layer + counter] = bench.read(LAYER_LOG + 4 * (LOG_WORDS * layer + counter));
    for (uint32_t lane = 1; lane < inputs; lane++) std::copy_n(log, entries, log + lane * entries);
    bench.read_bytes(ACT_WINDOW + request.output_address, output, request.output_bytes, inputs);
}

// What the registers say at the end; a bus that does not answer leaves them zero.
void explain(Bench& bench, Answer& answer) {
    answer.outside = bench.memory.outside;
    try {
        answer.status = bench.read(REG_STATUS);
        answer.done = bench.read(REG_DONE);
        answer.run_cycles = bench.read(REG_CYCLES);
        answer.pc = bench.read(REG_PC);
    } catch (const Stopped&) {
    }
}

}  // namespace

int main(int, char** argv) {
    File in(argv[1], "rb");
    Request request;
    in.get(&request, 1);
    std::vector<uint8_t> image(request.image_bytes), inputs(size_t(request.inputs) * request.input_bytes);
    in.get(image.data(), request.image_bytes);
    in.get(inputs.data(), inputs.size());
    in.close();
    const size_t entries = 1 + request.layers * COUNTERS;
    std::vector<uint32_t> logs(request.inputs * entries);
    std::vector<uint8_t> outputs(size_t(request.inputs) * request.output_bytes);
#if VM_TRACE
    Verilated::traceEverOn(true);
#endif

    const std::clock_t start = std::clock();
    Answer answer{};
    Bench bench;
    if (request.stalls) bench.memory.random = std::make_unique<std::mt19937>(request.stalls);
    try {
        upload(bench, request, image);
        for (uint32_t n = 0; n < request.inputs; n = answer.done_inputs) {
            const uint32_t batch = std::min<uint32_t>(LANES, request.inputs - n);
            if (n == request.traced) bench.trace(argv[3]);
            infer(bench, request, n + 1, &inputs[size_t(n) * request.input_bytes], batch, &logs[n * entries],
                  &outputs[size_t(n) * request.output_bytes]);
            if (n == request.traced) bench.trace(nullptr);
            answer.done_inputs += batch;
        }
        if (request.any_end) explain(bench, answer);
    } catch (const Stopped& stopped) {
        answer.failure = stopped.kind;
        explain(bench, answer);
        bench.trace(nullptr);
    } catch (const LanesApart&) {
        answer.failure = APART;
    }
    answer.cycles = bench.cycles;
    answer.seconds = double(std::clock() - start) / CLOCKS_PER_SEC;
    File out(argv[2], "wb");
    out.put(&answer, 1);
    out.put(logs.data(), answer.done_inputs * entries);
    out.put(outputs.data(), size_t(answer.done_inputs) * request.output_bytes);
    out.close();
    return 0;
}
