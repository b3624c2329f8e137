"""The cells of a routed netlist that have a model, and how each may be set up; anything else is an error.

Names, pins and settings are nextpnr's (``ecp5/cells.cc``, ``ice40/cells.cc``, each family's ``pack.cc`` and
``bitstream.cc``); the models are in ``cosim/cells`` and ``cosim/verilate.v``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CELLS", "MODELS", "VARIANTS", "Content", "Kind", "widths"]

_FOLDER = Path(__file__).with_name("cells")
#: By the family of the device.
MODELS = {"ice40": _FOLDER / "ice40.v", "ecp5": _FOLDER / "ecp5.v"}


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a memory holds after configuration: ``count`` parameters ``{prefix}0``, ``{prefix}1`` and so on, numbered in
    base 16 with ``digits`` digits.

    Each has 16 parts, the lowest one first, of which the lower bits are one or several words of the memory.
    """

    prefix: str
    digits: int
    count: int
    part_bits: int
    words: int               # in a part
    word_bits: int

    @property
    def names(self) -> list[str]:
        return [f"{self.prefix}{number:0{self.digits}X}" for number in range(self.count)]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How a kind of cell is simulated. A pin is ``NAME``, or ``NAME:BITS`` where the model has a vector.

    Members
    -------
    module : its model.
    inputs, outputs : pins of the model. Other inputs of the cell must be 0.
    free : inputs that the model has not, by their beginnings, whose level does not matter with these settings.
    params : parameters of the model -> what they may be; None: any number.
    fixed : settings that the model has not, and their only values.
    ignored : such settings that change nothing that is simulated, by their beginnings.
    high : inputs that are 1 where nothing is connected; all others are 0.
    tied : a setting ``{pin}MUX`` says the level of a pin where nothing is connected.
    flags : parameter of the model -> the pin that is connected where it is 1.
    content : of a memory.
    """

    module: str
    inputs: str = ""
    outputs: str = ""
    free: tuple[str, ...] = ()
    params: Mapping[str, tuple[str | int, ...] | None] = field(default_factory=dict)
    fixed: Mapping[str, str | int] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    high: tuple[str, ...] = ()
    tied: bool = False
    flags: Mapping[str, str] = field(default_factory=dict)
    content: Content | None = None


def widths(pins: str) -> dict[str, int | None]:
    """Bits of each pin, None of one that is no vector.

    >>> widths("CE A:16")
    {'CE': None, 'A': 16}
    """
    parts = [pin.partition(":") for pin in pins.split()]
    return {name: int(bits) if bits else None for name, _, bits in parts}


_BIT = (0, 1)
_TWO_BITS = (0, 1, 2, 3)
_WIDTHS = (1, 2, 4, 9, 18, 36)
_WRITE_MODES = ("NORMAL", "WRITETHROUGH", "READBEFOREWRITE")

_PAD = ("IO_STANDARD", "PULLUP", "NEG_TRIGGER", "PIN_TYPE", "DIR")
_NO_REGISTER = ("INPUT_CLK", "OUTPUT_CLK", "CLOCK_ENABLE", "LATCH_INPUT_VALUE")
_PADDO = {"DATAMUX_ODDR": "PADDO", "DATAMUX_MDDR": "PADDO", "DATAMUX_OREG": "PADDO"}

#: Cells whose setting of that name decides which kind they are.
VARIANTS = {"SB_IO": "PIN_TYPE", "TRELLIS_IO": "DIR"}

CELLS: dict[str, Kind] = {
    "ICESTORM_LC": Kind(
        module="ICESTORM_LC", inputs="I0 I1 I2 I3 CIN CLK CEN SR", outputs="O COUT", high=("CEN",),
        fixed={"NEG_CLK": 0},
        params={"LUT_INIT": None, **dict.fromkeys(("CARRY_ENABLE", "DFF_ENABLE", "SET_NORESET", "ASYNC_SR", "CIN_CONST",
                                                   "CIN_SET"), _BIT)}),
    "ICESTORM_RAM": Kind(
        module="ICESTORM_RAM", inputs="WCLK WCLKE WE RCLK RCLKE RE WADDR:11 RADDR:11 WDATA:16 MASK:16",
        outputs="RDATA:16", high=("WCLKE", "RCLKE"), fixed={"NEG_CLK_R": 0, "NEG_CLK_W": 0},
        params={"WRITE_MODE": _TWO_BITS, "READ_MODE": _TWO_BITS},
        content=Content(prefix="INIT_", digits=1, count=16, part_bits=16, words=1, word_bits=16)),
    "ICESTORM_SPRAM": Kind(
        module="SB_SPRAM256KA", inputs="CLOCK CHIPSELECT WREN STANDBY SLEEP POWEROFF ADDRESS:14 DATAIN:16 MASKWREN:4",
        outputs="DATAOUT:16"),
    "ICESTORM_DSP": Kind(
        module="SB_MAC16", outputs="O:32", high=("CE",),
        inputs="CLK CE ADDSUBTOP ADDSUBBOT OLOADTOP OLOADBOT OHOLDTOP OHOLDBOT CI A:16 B:16 C:16 D:16",
        fixed=dict.fromkeys(("NEG_TRIGGER", "C_REG", "D_REG", "PIPELINE_16x16_MULT_REG1", "PIPELINE_16x16_MULT_REG2",
                             "TOPADDSUB_CARRYSELECT", "BOTADDSUB_CARRYSELECT"), 0),
        params={**dict.fromkeys(("MODE_8x8", "A_SIGNED", "B_SIGNED", "TOPADDSUB_UPPERINPUT", "BOTADDSUB_UPPERINPUT",
                                 "A_REG", "B_REG", "TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG"), _BIT),
                **dict.fromkeys(("TOPOUTPUT_SELECT", "BOTOUTPUT_SELECT", "TOPADDSUB_LOWERINPUT",
                                 "BOTADDSUB_LOWERINPUT"), _TWO_BITS)}),
    "ICESTORM_PLL": Kind(module="ICESTORM_PLL", inputs="REFERENCECLK", outputs="PLLOUT_A LOCK", free=("",),
                         ignored=("",)),
    "SB_GB": Kind(module="SB_GB", inputs="USER_SIGNAL_TO_GLOBAL_BUFFER", outputs="GLOBAL_BUFFER_OUTPUT"),
    "TRELLIS_COMB": Kind(
        module="TRELLIS_COMB", inputs="A B C D M F1 FXA FXB FCI WD WAD0 WAD1 WAD2 WAD3 WRE WCK", outputs="F FCO OFX",
        high=("A", "B", "C", "D"), flags={"SIX": "FXA"},
        params={"INITVAL": None, "MODE": ("LOGIC", "CCU2", "DPRAM", "RAMW_BLOCK"), "CCU2_INJECT1": ("NO", "YES")}),
    "TRELLIS_RAMW": Kind(
        module="TRELLIS_RAMW", inputs="A0 B0 C0 D0 A1 B1 C1 D1",
        outputs="WDO0 WDO1 WDO2 WDO3 WADO0 WADO1 WADO2 WADO3"),
    "TRELLIS_FF": Kind(
        module="TRELLIS_FF", inputs="CLK LSR CE DI M", outputs="Q", fixed={"LSRMODE": "LSR"},
        ignored=("GSR",),       # no cell drives it
        params={"REGSET": ("RESET", "SET"), "SRMODE": ("LSR_OVER_CE", "ASYNC"), "SD": ("0", "1")}),
    "DP16KD": Kind(
        module="DP16KD", inputs="CLKA CEA WEA ADA:14 DIA:18 CLKB CEB WEB ADB:14 DIB:18", outputs="DOA:18 DOB:18",
        high=("CEA", "CEB"), tied=True, free=("OCE",),      # of output registers
        fixed={"REGMODE_A": "NOREG", "REGMODE_B": "NOREG", "CSDECODE_A": "0b000", "CSDECODE_B": "0b000"},
        ignored=("GSR", "RESETMODE", "ASYNC_RESET_RELEASE"),        # without a reset
        params={"DATA_WIDTH_A": _WIDTHS, "DATA_WIDTH_B": _WIDTHS, "WRITEMODE_A": _WRITE_MODES,
                "WRITEMODE_B": _WRITE_MODES},
        content=Content(prefix="INITVAL_", digits=2, count=64, part_bits=20, words=2, word_bits=9)),
    "MULT18X18D": Kind(
        module="MULT18X18D", inputs="A:18 B:18 SIGNEDA SIGNEDB", outputs="P:36", tied=True,
        ignored=("CLK", "GSR", "RESETMODE", "HIGHSPEED_CLK", "CAS_MATCH_REG", "SOURCEB_MODE"),     # of registers
        fixed={**{f"REG_{part}_CLK": "NONE" for part in ("INPUTA", "INPUTB", "INPUTC", "PIPELINE", "OUTPUT")},
               "MULT_BYPASS": "DISABLED"}),
    "EHXPLLL": Kind(module="EHXPLLL", inputs="CLKI", outputs="CLKOP LOCK", free=("",), ignored=("",)),
    "DCCA": Kind(module="DCCA", inputs="CLKI", outputs="CLKO"),
    # of Lattice's sysIO buffers, the ways in and out without a register; electrical settings change nothing
    "SB_IO 1": Kind(module="SB_IO_IN", inputs="PACKAGE_PIN", outputs="D_IN_0", ignored=_PAD, free=_NO_REGISTER),
    "SB_IO 25": Kind(module="SB_IO_OUT", inputs="D_OUT_0", outputs="PACKAGE_PIN D_IN_0", ignored=_PAD,
                     free=_NO_REGISTER),
    "TRELLIS_IO INPUT": Kind(module="TRELLIS_IO_IN", inputs="B", outputs="O", fixed=_PADDO, ignored=_PAD),
    "TRELLIS_IO OUTPUT": Kind(module="TRELLIS_IO_OUT", inputs="I", outputs="B", fixed=_PADDO, ignored=_PAD),
}
