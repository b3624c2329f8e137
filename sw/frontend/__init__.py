"""Networks in their public formats to the integer graph."""

from sw.frontend.formats import load_file
from sw.frontend.tflite import load_tflite

__all__ = ["load_file", "load_tflite"]
