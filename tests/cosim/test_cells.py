"""Each model of a cell alone against a plain reference, at random and extreme inputs, and with faults planted."""


import numpy as np
import pytest

from cosim.cells import CELLS, MODELS
from tests.support.cells import Bench, Single

CYCLES = 1000
INPUTS = {name: kind.inputs for name, kind in CELLS.items()}
OUTPUTS = {name: kind.outputs for name, kind in CELLS.items()}


def single(name, type, **params):
    return Single(name=name, type=type, inputs=INPUTS[type], outputs=OUTPUTS[type], params=params,
                  underscore=type.startswith("ICESTORM_R"))


def joined(words, bits):
    return sum(word << bits * n for n, word in enumerate(words))


def random_bits(rng, cycles, bits, chance=0.5):
    """Random numbers, and now and then all zeros or all ones."""
    values = sum((rng.random(cycles) < chance).astype(np.int64) << n for n in range(bits))
    extreme = rng.integers(0, 8, cycles)
    return np.where(extreme == 0, 0, np.where(extreme == 1, (1 << bits) - 1, values))


def stimuli(bench, rng, chances=None):
    """For every input pin; ``chances`` of a bit by pin."""
    return {place: random_bits(rng, CYCLES, bits, (chances or {}).get(place[1], 0.5))
            for place, (port, _, bits) in bench.places.items() if port == "in"}


def differing(bench, given, references):
    """Cells whose outputs are not what their references give."""
    got, wrong = bench.run(given), set()
    for name, reference in references.items():
        pins = {pin: values for (cell, pin), values in given.items() if cell == name}
        for pin, values in reference(pins).items():
            if not np.array_equal(got[name, pin], values):
                wrong.add(name)
    return wrong


# ECP5

class Ebr:
    """2,048 words of 9 bits, of which ports narrower than 9 bits see 8, as lists of bits."""

    def __init__(self, words, *, a, b, mode_a, mode_b):
        self.bits = [[int(word) >> n & 1 for n in range(9)] for word in words]
        self.width, self.mode, self.out = {"A": a, "B": b}, {"A": mode_a, "B": mode_b}, {"A": 0, "B": 0}
        self.wide = a == 36

    def place(self, width, address, n):
        """Word and bit of bit ``n`` at an address that counts bits."""
        if width < 9:
            index = (address & ~(width - 1)) + n
            return index // 8, index % 8
        return (address >> 3 & ~(width // 9 - 1)) + n // 9, n % 9

    def step(self, pins):
        written = {port: self.written(port, pins) for port in "AB"}
        for port, other in (("A", "B"), ("B", "A")):
            width, writes = self.width[port], pins[f"WE{port}"] and not (self.wide and port == "B")
            if pins[f"CE{port}"] and (not writes or self.mode[port] != "NORMAL"):
                places = [self.place(width, pins[f"AD{port}"], n) for n in range(width)]
                new = written[port] if self.mode[port] == "WRITETHROUGH" else {}
                bits = [new.get(at, self.bits[at[0]][at[1]]) ^ (at in written[other]) for at in places]
                self.out[port] = sum(bit << n for n, bit in enumerate(bits))
        for word, bit in written["A"].keys() | written["B"].keys():
            self.bits[word][bit] = {**written["A"], **written["B"]}[word, bit]

    def written(self, port, pins):
        """(word, bit) -> value"""
        width, enabled = self.width[port], pins[f"CE{port}"] and (pins[f"WE{port}"] or self.wide)
        if not enabled or self.wide and port == "B":
            return {}
        data = pins["DIA"] | pins["DIB"] << 18 if port == "A" and self.wide else pins[f"DI{port}"]
        return {self.place(width, pins[f"AD{port}"], n): data >> n & 1 for n in range(width)
                if width < 18 or pins[f"AD{port}"] >> n // 9 & 1}

    def outputs(self):
        if self.width["B"] == 36:
            return {"DOA": self.out["B"] & 0x3FFFF, "DOB": self.out["B"] >> 18}
        return {"DOB": self.out["B"]} if self.wide else {"DOA": self.out["A"], "DOB": self.out["B"]}


def over_time(made, pins):
    """What ``made`` gives in each cycle."""
    rows, names = [], list(pins)
    for values in zip(*(pins[name].tolist() for name in names), strict=True):
        rows.append(made.outputs())
        made.step(dict(zip(names, values, strict=True)))
    return {name: np.array([row[name] for row in rows], np.uint64) for name in rows[0]}


def ports(a, b, mode_a="READBEFOREWRITE", mode_b="READBEFOREWRITE"):
    return {"a": a, "b": b, "mode_a": mode_a, "mode_b": mode_b}


EMITTED = [*(ports(width, width) for width in (4, 9, 18)), ports(36, 36)]        # by the synthesis of today's designs
OTHERS = [*(ports(width, width, mode, mode) for width in (1, 2, 4, 9, 18) for mode in ("NORMAL", "WRITETHROUGH")),
          ports(1, 1), ports(2, 2), ports(18, 1, mode_b="NORMAL"), ports(4, 18, mode_b="NORMAL"),
          *(ports(36, b, "NORMAL", "NORMAL") for b in (18, 9, 1))]


def ebr_cells(settings, rng):
    cells, contents = [], []
    for number, one in enumerate(settings):
        content = [int(value) for value in rng.integers(0, 1 << 9, 2048)]
        contents.append(content)
        halves = [low | high << 9 for low, high in zip(content[::2], content[1::2], strict=True)]
        inits = {f"INITVAL_{part:02X}": joined(halves[16 * part:16 * part + 16], 20) for part in range(64)}
        cells.append(single(f"ebr{number}", "DP16KD", DATA_WIDTH_A=one["a"], DATA_WIDTH_B=one["b"],
                            WRITEMODE_A=one["mode_a"], WRITEMODE_B=one["mode_b"], REGMODE_A="NOREG", REGMODE_B="NOREG",
                            RESETMODE="ASYNC", CSDECODE_A="0b000", CSDECODE_B="0b000", **inits))
    return cells, contents


def ebr_given(bench, settings, rng):
    """Few addresses, of which both ports hit the same ones often; they do not write to the same word at once."""
    given = stimuli(bench, rng, {"CEA": 0.8, "CEB": 0.8})
    for (name, pin), values in list(given.items()):
        if pin in ("ADA", "ADB"):
            given[name, pin] = values & 0b10000000111111
    for number, one in enumerate(settings):
        name = f"ebr{number}"
        same = given[name, "ADA"] >> 5 == given[name, "ADB"] >> 5
        given[name, "WEB"][same & (given[name, "WEA"] == 1) | (one["a"] == 36)] = 0
    return given


@pytest.mark.parametrize("settings", [EMITTED, pytest.param(OTHERS, marks=pytest.mark.slow)], ids=["emitted", "others"])
def test_block_rams_of_an_ecp5(settings, tmp_path):
    cells, contents = ebr_cells(settings, np.random.default_rng(1))
    bench = Bench(cells).build("ecp5", tmp_path)
    given = ebr_given(bench, settings, np.random.default_rng(2))

    def references(changes):
        return {cell.name: lambda pins, words=words, one=one | changes: over_time(Ebr(words, **one), pins)
                for cell, words, one in zip(cells, contents, settings, strict=True)}
    assert differing(bench, given, references({})) == set()
    other = references({"b": 3})        # a port as no block has one
    assert differing(bench, given, other) == {cell.name for cell in cells}


# logic of an ECP5

def bit(value, *index):
    """Of a table, or of numbers: those at places that change."""
    place = sum(each.astype(np.int64) << n for n, each in enumerate(index))
    return np.asarray(value, np.int64) >> place & 1


TABLES = (0xCAFE, 0x8000, 0x6996, 0x1234)


def comb(table, mode="LOGIC", inject="NO"):
    def reference(p):
        f = bit(table, p["A"], p["B"], p["C"], p["D"])
        if mode != "CCU2":
            return {"F": f, "OFX": np.where(p["M"] == 1, p["FXB"], p["FXA"])}
        second = bit(table, p["A"], p["B"])
        through = inject == "NO"
        return {"F": f ^ (p["FCI"] & through), "FCO": np.where(f == 1, p["FCI"], second & through)}
    return reference


def five_inputs(p):
    return {"OFX": np.where(p["M"] == 1, p["F1"], bit(TABLES[0], p["A"], p["B"], p["C"], p["D"]))}


def distributed(table):
    """A memory of 16 bits; the table's index has the address's lowest bit on top and its highest one below."""
    def reference(p):
        bits, rows = [table >> n & 1 for n in range(16)], []
        for n in range(CYCLES):
            at = {pin: int(values[n]) for pin, values in p.items()}
            rows.append(bits[at["D"] << 3 | at["C"] << 2 | at["B"] << 1 | at["A"]])
            if at["WRE"]:
                bits[at["WAD0"] << 3 | at["WAD2"] << 2 | at["WAD1"] << 1 | at["WAD3"]] = at["WD"]
        return {"F": np.array(rows)}
    return reference


def flip_flop(first, *, data, enable, reset=None, set_to=0, waits=False, at_once=False, out="Q"):
    """Pins by what they are for; ``waits``: a reset waits for the enable."""
    def reference(p):
        state, rows = first, []
        for n in range(CYCLES):
            resets, enabled = reset and p[reset][n], p[enable][n] if enable else 1
            if resets and at_once:
                state = set_to
            rows.append(state)
            if resets and (enabled or not waits):
                state = set_to
            elif enabled:
                state = data(p)[n]
        return {out: np.array(rows)}
    return reference


def product(p):
    signed = [np.where((p[f"SIGNED{x}"] == 1) & (p[x] >> 17 == 1), p[x] - (1 << 18), p[x]) for x in "AB"]
    return {"P": ((signed[0] * signed[1]) & (1 << 36) - 1).astype(np.uint64)}


def locked(clock):
    """After 15 edges; until then designs that wait for it are in reset."""
    return (np.cumsum(np.diff(clock, prepend=clock[0]) == 1) >= 15).astype(np.int64)


def some(name, type, pins, outputs, reference, **params):
    return Single(name=name, type=type, inputs=pins, outputs=outputs, params=params), reference


RAMW = "WDO0 WDO1 WDO2 WDO3 WADO0 WADO1 WADO2 WADO3"
ECP5_LOGIC = [
    some("six", "TRELLIS_COMB", "A B C D M FXA FXB", "F OFX", comb(TABLES[0]), INITVAL=TABLES[0], MODE="LOGIC"),
    some("five", "TRELLIS_COMB", "A B C D M F1", "OFX", five_inputs, INITVAL=TABLES[0]),
    some("open", "TRELLIS_COMB", "B", "F", lambda p: {"F": bit(TABLES[3], p["B"] * 0 + 1, p["B"], p["B"] * 0 + 1,
                                                               p["B"] * 0 + 1)}, INITVAL=TABLES[3]),
    *(some(f"carry{table}{inject}", "TRELLIS_COMB", "A B C D FCI", "F FCO", comb(table, "CCU2", inject), INITVAL=table,
           MODE="CCU2", CCU2_INJECT1=inject) for table in TABLES for inject in ("NO", "YES")),
    some("memory", "TRELLIS_COMB", "A B C D WD WAD0 WAD1 WAD2 WAD3 WRE WCK", "F", distributed(TABLES[3]),
         INITVAL=TABLES[3], MODE="DPRAM", WREMUX="WRE", WCKMUX="WCK"),
    some("ramw", "TRELLIS_RAMW", "A0 B0 C0 D0 A1 B1 C1 D1", RAMW, lambda p: dict(zip(
        RAMW.split(), (p[pin] for pin in ("C1", "A1", "D1", "B1", "D0", "B0", "C0", "A0")), strict=True))),
    some("plain", "TRELLIS_FF", "CLK DI", "Q", flip_flop(0, data=lambda p: p["DI"], enable=None),
         SD="1", CEMUX="1", CLKMUX="CLK", LSRMUX="LSR", REGSET="RESET"),
    some("full", "TRELLIS_FF", "CLK DI CE LSR", "Q", flip_flop(1, data=lambda p: p["DI"], enable="CE", reset="LSR",
                                                               set_to=1),
         SD="1", CEMUX="CE", REGSET="SET", SRMODE="LSR_OVER_CE"),
    some("beside", "TRELLIS_FF", "CLK M CE", "Q", lambda p: {"Q": flip_flop(
        0, data=lambda q: q["M"], enable="CE")({**p, "CE": 1 - p["CE"]})["Q"]}, SD="0", CEMUX="INV", REGSET="RESET"),
    some("at_once", "TRELLIS_FF", "CLK DI LSR", "Q", lambda p: {"Q": flip_flop(
        1, data=lambda q: q["DI"], enable=None, reset="LSR", set_to=1, at_once=True)({**p, "LSR": 1 - p["LSR"]})["Q"]},
         SD="1", CEMUX="1", LSRMUX="INV", REGSET="SET", SRMODE="ASYNC"),
    some("product", "MULT18X18D", INPUTS["MULT18X18D"], "P:36", product),
    some("pll", "EHXPLLL", "CLKI", "CLKOP LOCK", lambda p: {"CLKOP": p["CLKI"], "LOCK": locked(p["CLKI"])},
         FEEDBK_PATH="INT_OS", CLKOP_DIV=8),
    some("clock", "DCCA", "CLKI", "CLKO", lambda p: {"CLKO": p["CLKI"]}),
    some("pad_in", "TRELLIS_IO", "B", "O", lambda p: {"O": p["B"]}, DIR="INPUT", DATAMUX_ODDR="PADDO"),
    some("pad_out", "TRELLIS_IO", "I", "B", lambda p: {"B": p["I"]}, DIR="OUTPUT", DATAMUX_MDDR="PADDO"),
]
ECP5_FAULTS = {     # cell -> what its model says, and would say wrongly
    "six": ("SIX ? (M ? FXB : FXA)", "SIX ? (M ? FXA : FXB)"),
    "five": ("M ? F1 : F;", "M ? F : F1;"),
    f"carry{TABLES[0]}NO": ("passed ? FCI : made", "passed ? made : FCI"),
    "memory": ("{WAD0, WAD2, WAD1, WAD3}", "{WAD3, WAD2, WAD1, WAD0}"),
    "ramw": ("{B1, D1, A1, C1}", "{D1, B1, A1, C1}"),
    "full": ("@(posedge CLK) if (LSR) Q <= set; else if (CE) Q <= value;",
             "@(posedge CLK) if (CE) Q <= LSR ? set : value;"),
    "beside": ('SD == "1" ? DI : M', 'SD == "0" ? DI : M'),
    "product": ("{18{SIGNEDB & B[17]}}", "{18{SIGNEDB}}"),
}


# logic and memories of an iCE40

LUT = "I0 I1 I2 I3"
OFF = {"LUT_INIT": TABLES[0], "NEG_CLK": 0, "CARRY_ENABLE": 0, "DFF_ENABLE": 0, "SET_NORESET": 0, "ASYNC_SR": 0,
       "CIN_CONST": 0, "CIN_SET": 0}


def looked_up(p):
    return bit(TABLES[0], *(p[pin] for pin in LUT.split()))


def carried(constant=None):
    def reference(p):
        carry = p["CIN"] if constant is None else constant
        return {"O": looked_up(p), "COUT": (p["I1"] + p["I2"] + carry) >> 1}
    return reference


class Ram4k:
    """256 words of 16 bits; a narrower port takes of each group of ``1 << mode`` bits the one that its address says."""

    PLACE = {0: 0, 1: 0, 2: 1, 3: 3}        # of the pin in its group

    def __init__(self, words, write, read):
        self.words, self.write, self.read, self.out = list(words), write, read, 0

    def step(self, p):
        taken, data = 0, 0
        for n in range(16):
            group, chosen = n >> self.write, p["WADDR"] >> 8 & (1 << self.write) - 1
            if p["WE"] and p["WCLKE"] and (not p["MASK"] >> n & 1 if self.write == 0 else
                                           n & (1 << self.write) - 1 == chosen):
                taken |= 1 << n
                data |= (p["WDATA"] >> (group << self.write) + self.PLACE[self.write] & 1) << n
        old, row = self.words[p["RADDR"] & 255], p["WADDR"] & 255
        if p["RE"] and p["RCLKE"]:
            old ^= taken if p["RADDR"] & 255 == row else 0
            chosen = p["RADDR"] >> 8 & (1 << self.read) - 1
            self.out = sum((old >> (group << self.read) + chosen & 1) << (group << self.read) + self.PLACE[self.read]
                           for group in range(16 >> self.read))
        self.words[row] = self.words[row] & ~taken | data

    def outputs(self):
        return {"RDATA": self.out}


class Spram:
    """Words of 16 bits with a write enable for four bits each; what it gives after a write is nobody's."""

    def __init__(self):
        self.words, self.out = {}, 0

    def step(self, p):
        if p["CHIPSELECT"] and p["WREN"]:
            mask = sum(0xF << 4 * n for n in range(4) if p["MASKWREN"] >> n & 1)
            self.words[p["ADDRESS"]] = self.words.get(p["ADDRESS"], 0) & ~mask | p["DATAIN"] & mask
            self.out = ~p["DATAIN"] & 0xFFFF
        elif p["CHIPSELECT"]:
            self.out = self.words.get(p["ADDRESS"], 0)

    def outputs(self):
        return {"DATAOUT": self.out}


def two_products(p):
    """Two cycles late: the products of the upper and of the lower bytes, signed."""
    def byte(values, shift):
        return (values >> shift & 255).astype(np.uint8).view(np.int8).astype(np.int64)
    parts = [byte(p["A"], shift) * byte(p["B"], shift) & 0xFFFF for shift in (8, 0)]
    late = np.concatenate([[0, 0], (parts[0] << 16 | parts[1])[:-2]])
    return {"O": late}


def ice40_cells(rng):
    found = [
        some("table", "ICESTORM_LC", LUT, "O", lambda p: {"O": looked_up(p)}, **OFF),
        some("sum", "ICESTORM_LC", f"{LUT} CIN", "O COUT", carried(), **{**OFF, "CARRY_ENABLE": 1}),
        *(some(f"first{level}", "ICESTORM_LC", f"{LUT} CIN", "O COUT", carried(level),
               **{**OFF, "CARRY_ENABLE": 1, "CIN_CONST": 1, "CIN_SET": level}) for level in (0, 1)),
        some("held", "ICESTORM_LC", f"{LUT} CLK CEN SR", "O", flip_flop(
            0, data=looked_up, enable="CEN", reset="SR", waits=True, out="O"), **{**OFF, "DFF_ENABLE": 1}),
        some("set", "ICESTORM_LC", f"{LUT} CLK SR", "O", flip_flop(
            0, data=looked_up, enable=None, reset="SR", set_to=1, out="O"),
             **{**OFF, "DFF_ENABLE": 1, "SET_NORESET": 1}),
        some("at_once", "ICESTORM_LC", f"{LUT} CLK CEN SR", "O", flip_flop(
            0, data=looked_up, enable="CEN", reset="SR", at_once=True, out="O"),
             **{**OFF, "DFF_ENABLE": 1, "ASYNC_SR": 1}),
        some("buffer", "SB_GB", "USER_SIGNAL_TO_GLOBAL_BUFFER", "GLOBAL_BUFFER_OUTPUT",
             lambda p: {"GLOBAL_BUFFER_OUTPUT": p["USER_SIGNAL_TO_GLOBAL_BUFFER"]}),
        some("pll", "ICESTORM_PLL", "REFERENCECLK", "PLLOUT_A LOCK", lambda p: {
            "PLLOUT_A": p["REFERENCECLK"], "LOCK": locked(p["REFERENCECLK"])}, DIVF=63),
        some("pad_in", "SB_IO", "PACKAGE_PIN", "D_IN_0", lambda p: {"D_IN_0": p["PACKAGE_PIN"]}, PIN_TYPE=1, PULLUP=0),
        some("pad_out", "SB_IO", "D_OUT_0", "PACKAGE_PIN", lambda p: {"PACKAGE_PIN": p["D_OUT_0"]}, PIN_TYPE=25,
             IO_STANDARD="SB_LVCMOS"),
        some("spram", "ICESTORM_SPRAM", "CLOCK CHIPSELECT WREN POWEROFF ADDRESS:14 DATAIN:16 MASKWREN:4", "DATAOUT:16",
             lambda p: over_time(Spram(), p)),
        some("products", "ICESTORM_DSP", "CLK CE A:16 B:16", "O:32", two_products, MODE_8x8=1, A_SIGNED=1, B_SIGNED=1,
             A_REG=1, B_REG=1, TOP_8x8_MULT_REG=1, BOT_8x8_MULT_REG=1, TOPOUTPUT_SELECT=2, BOTOUTPUT_SELECT=2)]
    for write in range(4):
        for read in range(4):
            words = [int(word) for word in rng.integers(0, 1 << 16, 256)]
            inits = {f"INIT_{part:X}": joined(words[16 * part:16 * part + 16], 16) for part in range(16)}
            cell = single(f"ram{write}{read}", "ICESTORM_RAM", WRITE_MODE=write, READ_MODE=read, NEG_CLK_R=0, **inits)
            found.append((cell, lambda p, words=words, write=write, read=read: over_time(Ram4k(words, write, read), p)))
    return found


ICE40_FAULTS = {
    "table": ("LUT_INIT[{I3, I2, I1, I0}]", "LUT_INIT[{I3, I2, I0, I1}]"),
    "sum": ("(I1 | I2) & carry", "(I1 | I0) & carry"),
    "first1": ("CIN_CONST ? CIN_SET : CIN", "CIN"),
    "held": ("if (CEN) state <= SR ? SET_NORESET : value",
             "if (SR) state <= SET_NORESET; else if (CEN) state <= value"),
    "set": ("state <= SR ? SET_NORESET", "state <= SR ? 0"),
    "ram00": ("!MASK[n]", "MASK[n]"),
    "ram20": ("n / W * W + (W > 1 ? W / 2 - 1 : 0)", "n / W * W"),
    "ram02": ("R > 1 ? R / 2 - 1 : 0", "0"),
}


# both

def given_to(bench, rng):
    often = dict.fromkeys(("WE", "RE", "WCLKE", "RCLKE", "CHIPSELECT"), 0.8)
    given = stimuli(bench, rng, {**often, "SR": 0.2, "LSR": 0.3})
    for name, pin in given:
        if pin in ("WADDR", "RADDR", "ADDRESS"):
            given[name, pin] &= 0b11100000111
        if pin in ("POWEROFF", "CE") and name in ("spram", "products"):
            given[name, pin] |= 1
    return given


@pytest.mark.parametrize("family", MODELS)
def test_logic_and_memories_alone(family, tmp_path):
    cells = ECP5_LOGIC if family == "ecp5" else ice40_cells(np.random.default_rng(3))
    bench, references = Bench([cell for cell, _ in cells]), {cell.name: reference for cell, reference in cells}
    bench.build(family, tmp_path)
    assert differing(bench, given_to(bench, np.random.default_rng(4)), references) == set()


@pytest.mark.slow
@pytest.mark.parametrize(("family", "name"), [
    *(("ecp5", name) for name in ECP5_FAULTS), *(("ice40", name) for name in ICE40_FAULTS)])
def test_a_fault_in_a_model_is_found(family, name, tmp_path):
    cells = ECP5_LOGIC if family == "ecp5" else ice40_cells(np.random.default_rng(3))
    text = MODELS[family].read_text(encoding="utf-8")
    right, wrong = (ECP5_FAULTS if family == "ecp5" else ICE40_FAULTS)[name]
    assert right in text
    bench = Bench([cell for cell, _ in cells]).build(family, tmp_path, text.replace(right, wrong))
    references = {cell.name: reference for cell, reference in cells}
    found = differing(bench, given_to(bench, np.random.default_rng(4)), references)
    assert name in found and len(found) < len(cells) / 2
