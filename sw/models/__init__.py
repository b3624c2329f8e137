"""Networks by name. To add one, write a function like those in ``sw.models.networks`` beside them."""

from sw.models import networks
from sw.models.build import NETWORKS, build, network, network_source
from sw.models.layers import LayerSpec, ModelError, Shape
from sw.models.shapes import macs, shapes

__all__ = ["NETWORKS", "LayerSpec", "ModelError", "Shape", "build", "macs", "network", "network_source", "networks",
           "shapes"]
