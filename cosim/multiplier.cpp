// Writes the Verilated multiplier's products over all operand pairs: rows of activations from -128 up, in each the
// weights from the most negative one up; 32-bit little-endian. Usage: sim REQUEST ANSWER (the request is not read).

#include "Vtop.h"

#include <cstdint>
#include <cstdio>
#include <vector>

int main(int, char** argv) {
    constexpr int WEIGHTS = 1 << WEIGHT_BITS, PRODUCT_BITS = 8 + WEIGHT_BITS;
    Vtop top;
    std::vector<int32_t> products;
    for (int act = -128; act < 128; act++) {
        for (int weight = -WEIGHTS / 2; weight < WEIGHTS / 2; weight++) {
            top.act = act & 255;
            top.weight = weight & (WEIGHTS - 1);
            top.eval();
            products.push_back(int32_t(uint32_t(top.product) << (32 - PRODUCT_BITS)) >> (32 - PRODUCT_BITS));
        }
    }
    std::FILE* out = std::fopen(argv[2], "wb");
    const bool good = out && std::fwrite(products.data(), 4, products.size(), out) == products.size();
    return good && std::fclose(out) == 0 ? 0 : 2;
}
