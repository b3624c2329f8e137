// Writes what the Verilated module heddle_conformance answers to each request: 64 bits for every case, little-endian.
// A request is 8 bytes: activations of two lanes, then weights of way 0 lanes 0 and 1, way 1 lanes 0 and 1, 2 unused.
// Usage: sim REQUESTS ANSWERS.

#include "Vtop.h"

#include <cstdint>
#include <cstdio>
#include <vector>

int main(int, char** argv) {
    std::FILE* in = std::fopen(argv[1], "rb");
    std::FILE* out = std::fopen(argv[2], "wb");
    if (!in || !out) return 2;
    Vtop top;
    uint8_t request[8];
    std::vector<uint32_t> words(2 * CASES);
    while (std::fread(request, 1, 8, in) == 8) {
        top.acts = request[0] | request[1] << 8;
        top.weights = request[2] | request[3] << 8 | request[4] << 16 | uint32_t(request[5]) << 24;
        top.eval();
        for (size_t word = 0; word < words.size(); word++) words[word] = top.products[word];
        if (std::fwrite(words.data(), 4, words.size(), out) != words.size()) return 2;
    }
    return std::fclose(out) == 0 ? 0 : 2;
}
