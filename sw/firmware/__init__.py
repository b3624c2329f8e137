"""The C runtime of the SoC, its build, and the host's half of its protocol."""

from sw.firmware.build import build, rom_words
from sw.firmware.header import c_header
from sw.firmware.protocol import DeviceError, Inference, Info, Op, Status
from sw.firmware.software import SOFTWARE_MEMORY, build_software

__all__ = ["DeviceError", "Inference", "Info", "Op", "SOFTWARE_MEMORY", "Status", "build", "build_software",
           "c_header", "rom_words"]
