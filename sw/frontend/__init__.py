"""Networks in their public formats to the integer graph and back."""

from sw.frontend.export import export_tflite
from sw.frontend.formats import load_file
from sw.frontend.tflite import load_tflite

__all__ = ["export_tflite", "load_file", "load_tflite"]
