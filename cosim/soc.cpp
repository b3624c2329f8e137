// Feeds messages to the Verilated SoC, one after the other's response, and collects what it answers.
//
// Usage: sim REQUEST ANSWER ROM_FOLDER [WAVES]. REQUEST: three 64-bit words (cycles that one message may take, first
// and last message in the waves), then messages: 32-bit length, 32-bit pause, bytes. A message without a pause waits for
// a response frame, one with a pause waits that many cycles. ANSWER: a 64-bit failure, messages done and cycles, a double
// of seconds, then every byte that the SoC sent. Macros that describe a frame come from sw/firmware/protocol.py. With
// FLASH the SoC boots from a serial flash, whose content is the file flash.bin in ROM_FOLDER. With BIT_CYCLES the SoC has
// a board's pads: the UART's two wires, with so many clock cycles a bit, and LEDs, dark until the firmware listens; it
// starts as the device was configured, without a reset.
//
// Usage: sim ROM_FOLDER. What comes from standard input goes into the UART, what comes out of it to standard output, as
// on a board's serial line, until there is no more input.

#include "Vtop.h"

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

namespace {

enum Failure : uint64_t { NONE, NO_RESPONSE, NO_START };

constexpr uint32_t RESET_CYCLES = 16;
constexpr uint32_t SETTLE_CYCLES = 64;  // behind the last response, in which a byte too many would show
constexpr uint32_t NO_LENGTH = ~0u;
constexpr uint32_t LINE_CYCLES = 64;    // from one look at the line to the next

using Bytes = std::vector<uint8_t>;

// Bytes of the frame that begins at `begin`, NO_LENGTH while its header is not whole.
uint32_t frame_bytes(const uint8_t* begin, size_t available) {
    if (available < HEADER_BYTES) return NO_LENGTH;
    return OVERHEAD_BYTES + begin[LENGTH_AT] + 256u * begin[LENGTH_AT + 1];
}

#ifdef FLASH
// A serial flash on SPI mode 0 that knows the command READ (0x03), as every one does: it takes a bit with the clock's
// rising edge, and gives one after its falling edge. What it is asked for else is answered with ones.
class Flash {
public:
    Bytes bytes;

    // After each of the SoC's clock edges; returns the line to the SoC.
    uint8_t step(uint8_t unselected, uint8_t clock, uint8_t in) {
        if (unselected) {
            count = taken = 0;
            out = 1;
        } else if (clock && !before) {
            if (count < COMMAND_BITS) taken = taken << 1 | in;
            count++;
        } else if (!clock && before && count >= COMMAND_BITS) {
            const uint32_t bit = count - COMMAND_BITS, at = (taken & 0xFFFFFF) + bit / 8;
            out = taken >> 24 != READ || at >= bytes.size() || bytes[at] >> (7 - bit % 8) & 1;
        }
        before = clock;
        return out;
    }

private:
    static constexpr uint32_t READ = 3, COMMAND_BITS = 32;
    uint32_t count = 0, taken = 0;
    uint8_t before = 0, out = 1;
};
#endif

#ifdef BIT_CYCLES
// The other end of a UART's two wires: eight bits, lowest first, between a start bit of 0 and a stop bit of 1.
class Line {
public:
    uint8_t byte = 0;  // that came last

    bool busy() const { return sending; }

    void send(uint8_t value) {
        frame = 1 << 9 | value << 1;
        sending = FRAME_CYCLES;
    }

    // What the SoC receives in the cycle that begins.
    uint8_t level() {
        if (!sending) return 1;
        return frame >> (FRAME_CYCLES - sending--) / BIT_CYCLES & 1;
    }

    // After each cycle, with what the SoC sent in it; true where `byte` has come.
    bool step(uint8_t sent) {
        if (!receiving) {
            if (!sent) receiving = BIT_CYCLES / 2 + 9 * BIT_CYCLES;
            return false;
        }
        if (--receiving % BIT_CYCLES) return false;
        if (receiving) byte = byte >> 1 | sent << 7;
        return !receiving && sent;
    }

private:
    static constexpr uint32_t FRAME_CYCLES = 10 * BIT_CYCLES;
    uint32_t frame = 0, sending = 0, receiving = 0;  // cycles to come, of what is received up to its stop bit
};
#endif

class Bench {
public:
    Vtop top;
#ifdef FLASH
    Flash flash;
#endif
    uint64_t cycles = 0;
    Bytes answer;

#ifdef BIT_CYCLES
    Line line;

    // False if the firmware does not listen within so many cycles.
    bool reset(uint64_t limit) {
        while (!top.leds && cycles < limit) cycle();
        return top.leds;
    }

    // Give a byte, if there is one, in the cycle that comes; false if that must wait.
    bool offer(const uint8_t* byte) {
        if (!byte || line.busy()) return false;
        line.send(*byte);
        return true;
    }

    void begin() { top.serial_rx = line.level(); }
    void collect() { if (line.step(top.serial_tx)) answer.push_back(line.byte); }
#else
    bool reset(uint64_t) {
        top.clk = top.serial_rx_valid = top.serial_rx_data = 0;
        top.serial_tx_ready = 1;
        top.rst = 1;
        for (uint32_t n = 0; n < RESET_CYCLES; n++) cycle();
        top.rst = 0;
        return true;
    }

    // In the SoC `ready` is a register's value, so it is the same before and after the inputs settle.
    bool offer(const uint8_t* byte) {
        top.serial_rx_valid = byte != nullptr;
        top.serial_rx_data = byte ? *byte : 0;
        return byte && top.serial_rx_ready;
    }

    void begin() {}
    void collect() { if (top.serial_tx_valid) answer.push_back(top.serial_tx_data); }
#endif

    void cycle() {
        top.clk = 0;
        begin();
        top.eval();
        dump();
        collect();
        top.clk = 1;
        top.eval();
#ifdef FLASH
        top.flash_miso = flash.step(top.flash_cs_n, top.flash_clk, top.flash_mosi);
#endif
        dump();
        cycles++;
    }

    // Give one message and wait for its response, or `pause` cycles; false if that takes more than `limit` cycles.
    bool serve(const uint8_t* message, uint32_t bytes, uint32_t pause, uint64_t limit) {
        const uint64_t last = cycles + limit;
        const size_t begun = answer.size();
        uint32_t given = 0, wanted = pause ? 0 : NO_LENGTH;
        while (given < bytes || answer.size() - begun < wanted) {
            if (cycles >= last) return false;
            given += offer(given < bytes ? message + given : nullptr);
            const size_t size = answer.size();
            cycle();
            if (answer.size() != size && !pause) wanted = frame_bytes(answer.data() + begun, answer.size() - begun);
        }
        offer(nullptr);
        for (uint32_t n = 0; n < pause; n++) cycle();
        return true;
    }

    // Between standard input and output; false once nobody reads or writes there.
    bool connect() {
        uint8_t part[4096];
        ssize_t waiting = 0, given = 0;
        pollfd line = {STDIN_FILENO, POLLIN, 0};
        for (;;) {
            if (given == waiting && poll(&line, 1, 0) > 0) {
                waiting = read(STDIN_FILENO, part, sizeof part);
                if (waiting <= 0) return waiting == 0;
                given = 0;
            }
            for (uint32_t n = 0; n < LINE_CYCLES; n++) {
                given += offer(given < waiting ? part + given : nullptr);
                cycle();
            }
            for (size_t sent = 0; sent < answer.size();) {
                const ssize_t now = write(STDOUT_FILENO, answer.data() + sent, answer.size() - sent);
                if (now < 0) return false;
                sent += now;
            }
            answer.clear();
        }
    }

#if VM_TRACE
    std::unique_ptr<VerilatedVcdC> waves;
    void trace(const char* file) {
        if (file && !waves) {
            waves = std::make_unique<VerilatedVcdC>();
            top.trace(waves.get(), 99);
            waves->open(file);
        } else if (!file && waves) {
            waves->close();
            waves.reset();
        }
    }
    void dump() { if (waves) waves->dump(2 * cycles + top.clk); }
#else
    void trace(const char*) {}
    void dump() {}
#endif
};

Bytes contents(const char* name) {
    Bytes bytes;
    if (FILE* file = std::fopen(name, "rb")) {
        uint8_t part[65536];
        for (size_t got; (got = std::fread(part, 1, sizeof part, file)) > 0;) bytes.insert(bytes.end(), part, part + got);
        std::fclose(file);
    }
    return bytes;
}

int fail(const char* what) {
    std::fprintf(stderr, "error: %s\n", what);
    return 1;
}

std::unique_ptr<Bench> start(const char* rom_folder) {
    if (chdir(rom_folder)) return nullptr;
    Verilated::traceEverOn(VM_TRACE);
    Verilated::randReset(0);
    auto bench = std::make_unique<Bench>();
#ifdef FLASH
    bench->flash.bytes = contents("flash.bin");
#endif
    return bench;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2) {
        const auto bench = start(argv[1]);
        return bench && bench->reset(~0ull) && bench->connect() ? 0 : fail("no such folder with the ROM's content, or the line broke");
    }
    if (argc < 4) return fail("usage: sim REQUEST ANSWER ROM_FOLDER [WAVES], or sim ROM_FOLDER");
    const Bytes request = contents(argv[1]);
    FILE* const out = std::fopen(argv[2], "wb");
    uint64_t settings[3];
    if (request.size() < sizeof settings || !out) return fail("cannot read the request or write the answer");
    std::memcpy(settings, request.data(), sizeof settings);
    const auto bench = start(argv[3]);
    if (!bench) return fail("no such folder with the ROM's content");
    const auto begun = std::chrono::steady_clock::now();
    uint64_t failure = bench->reset(settings[0]) ? NONE : NO_START, done = 0;
    for (size_t at = sizeof settings; at < request.size() && failure == NONE; done++) {
        uint32_t head[2];  // length, pause
        if (request.size() - at < sizeof head) return fail("the request ends inside a message");
        std::memcpy(head, request.data() + at, sizeof head);
        at += sizeof head;
        if (request.size() - at < head[0]) return fail("the request ends inside a message");
        if (argc > 4) bench->trace(done >= settings[1] && done <= settings[2] ? argv[4] : nullptr);
        if (!bench->serve(request.data() + at, head[0], head[1], settings[0])) failure = NO_RESPONSE;
        at += head[0];
    }
    if (failure == NONE)
        for (uint32_t n = 0; n < SETTLE_CYCLES; n++) bench->cycle();
    bench->trace(nullptr);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    const uint64_t head[3] = {failure, failure == NO_RESPONSE ? done - 1 : done, bench->cycles};
    const bool written = std::fwrite(head, sizeof head, 1, out) == 1 && std::fwrite(&seconds, sizeof seconds, 1, out) == 1
        && std::fwrite(bench->answer.data(), 1, bench->answer.size(), out) == bench->answer.size();
    if (std::fclose(out) || !written) return fail("the answer cannot be written");
    return 0;
}
