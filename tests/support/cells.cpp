// Drives a module with ports clk, in and out: for each record of inputs one clock cycle, and what comes out before its
// edge. Usage: sim REQUEST ANSWER FOLDER: files of memories are in FOLDER.
#include "Vtop.h"

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <vector>

int main(int, char** argv) {
    std::FILE* const in = std::fopen(argv[1], "rb");
    std::FILE* const out = std::fopen(argv[2], "wb");
    if (!in || !out || chdir(argv[3])) return 1;
    Vtop top;
    std::vector<uint32_t> given(IN_WORDS), got(OUT_WORDS);
    while (std::fread(given.data(), 4, IN_WORDS, in) == IN_WORDS) {
        for (int n = 0; n < IN_WORDS; n++) top.in[n] = given[n];
        top.clk = 0;
        top.eval();
        for (int n = 0; n < OUT_WORDS; n++) got[n] = top.out[n];
        std::fwrite(got.data(), 4, OUT_WORDS, out);
        top.clk = 1;
        top.eval();
    }
    return std::fclose(out);
}
