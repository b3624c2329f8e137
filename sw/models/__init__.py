"""Networks by name. To add one, write a function like those in ``sw.models.networks`` beside them."""

from sw.models.networks import NETWORKS, LayerSpec, ModelError, build, network
from sw.models.shapes import macs, shapes

__all__ = ["NETWORKS", "LayerSpec", "ModelError", "build", "macs", "network", "shapes"]
