"""What the functions of the CPU cost: clock cycles on VexRiscv with caches, from scratchpad to scratchpad.

Straight lines through what the simulated SoC counted for 110 calls of 16 to 4,000 outputs: within 22% of each, half of
them within 1% where they took 1,900 cycles or more. A short call depends on what is in the cache before it.
"""

from collections.abc import Mapping

__all__ = ["binary", "constant", "copy", "dequantize", "features", "fill", "log_softmax", "mean", "pool", "quantize",
           "resize", "softmax", "table", "weighted"]

Fields = Mapping[str, int]
WORD_BYTE, SHIFTED_BYTE = 3.4, 5.5         # of a copy by words; of one whose ends lie differently in their words
MOVE = 70                                  # of a call of heddle_move
SHORT_RUN = 8                              # bytes; shorter ones go one by one
#: An output of each kind of binary.
BINARY = (109.5, 109.5, 71.5, 60.0, 60.0, 72.0)


def table(fields: Fields) -> float:
    count = fields["bytes"]
    if count < 48:
        return 180 + 38 * count
    return 1340 + 10 * count if (fields["source"] | fields["output"]) % 4 == 0 else 1070 + 23 * count


def softmax(fields: Fields) -> float:
    return 600 + fields["rows"] * (217 + 110.7 * fields["channels"])


def log_softmax(fields: Fields) -> float:
    return 800 + fields["rows"] * (630 + 133 * fields["channels"])


def copy(fields: Fields) -> float:
    run, rows = fields["run"], fields["n0"] * fields["n1"] * fields["n2"]
    count = rows * fields["n3"]
    if run == fields["d3"] == 1:
        return 480 + 30 * rows + 20.3 * count
    if run < SHORT_RUN:
        return 300 + count * (16 + 20 * run)
    byte = WORD_BYTE if (fields["source"] - fields["output"]) % 4 == 0 else SHIFTED_BYTE
    return 500 + count * (MOVE + byte * run)


def fill(fields: Fields) -> float:
    return 180 + 2 * fields["bytes"]


def constant(fields: Fields) -> float:
    return 150 + WORD_BYTE * fields["bytes"]


def resize(fields: Fields) -> float:
    """A row that is the one above again is moved at once: as many as the enlargement is high, if it is as wide."""
    outputs = fields["rows"] * fields["columns"] * fields["bytes"]
    rows = fields["rows"] * min(1.0, (fields["taken"] / outputs) ** 0.5)
    line = fields["columns"] * fields["bytes"]
    return (500 + rows * fields["columns"] * (MOVE + 21 + WORD_BYTE * fields["bytes"])
            + (fields["rows"] - rows) * (MOVE + WORD_BYTE * line))


def binary(fields: Fields) -> float:
    rows = fields["n0"] * fields["n1"] * fields["n2"]
    places = fields["source"] | fields["second"] | fields["output"]
    apart = 0 if places % 4 == 0 and fields["n3"] % 4 == 0 else 15      # bytes, not words
    return 1400 + rows * (29 + (BINARY[fields["kind"]] + apart) * fields["n3"])


def mean(fields: Fields) -> float:
    taps, outer, channels = fields["count"], fields["outer"], fields["channels"]
    if channels % 4 == 0 and fields["source"] % 4 == 0:
        return 400 + outer * channels / 4 * (305 + 29.7 * taps)
    return 400 + outer * channels * (90 + 23 * taps)


def _inside(size: int, kernel: int, stride: int, before: int, count: int) -> int:
    """Taps inside an axis of all windows along it."""
    starts = [place * stride - before for place in range(count)]
    return sum(min(size, start + kernel) - max(0, start) for start in starts)


def pool(fields: Fields) -> float:
    taps = _inside(fields["height"], fields["kernel_y"], fields["stride_y"], fields["top"], fields["rows"]) * _inside(
        fields["width"], fields["kernel_x"], fields["stride_x"], fields["left"], fields["columns"])
    windows, channels, average = fields["rows"] * fields["columns"], fields["channels"], fields["kind"] == 0
    if channels % 4 == 0 and fields["source"] % 4 == 0:
        base, tap = (450, 31) if average else (223, 52)
        return 900 + channels / 4 * (base * windows + tap * taps)
    base, tap = (167, 23) if average else (122, 28)
    return 900 + channels * (base * windows + tap * taps)


def quantize(fields: Fields) -> float:
    return 600 + 52.5 * fields["count"]


def dequantize(fields: Fields) -> float:
    return 400 + 96.5 * fields["count"]


def _taps(size: int, kernel: int, stride: int, before: int, count: int, dilation: int) -> int:
    """Taps inside an axis of all windows along it, of kernels with gaps."""
    return sum(0 <= place * stride - before + tap * dilation < size for place in range(count) for tap in range(kernel))


def weighted(fields: Fields) -> float:
    """A block of up to four outputs reads a word of weights for each channel of a tap: nine calls, within 3%."""
    inside = _taps(fields["height"], fields["kernel_y"], fields["stride_y"], fields["top"], fields["rows"],
                   fields["dilation_y"]) * _taps(fields["width"], fields["kernel_x"], fields["stride_x"],
                                                 fields["left"], fields["columns"], fields["dilation_x"])
    windows, blocks = fields["rows"] * fields["columns"], fields["outputs"] // fields["each"] * -(-fields["each"] // 4)
    taps = windows * fields["kernel_y"] * fields["kernel_x"]
    return 490 + 168 * windows * fields["outputs"] + blocks * (106 * taps + 63.5 * inside * fields["inputs"])


def features(fields: Fields) -> float:
    """Six calls, within 2%: of windows of 256 to 1024 samples and 10 to 64 channels."""
    steps = fields["half"] * (fields["half"].bit_length() - 1)
    return fields["frames"] * (152 * fields["window"] + 36.8 * steps + 1342 * fields["channels"])
