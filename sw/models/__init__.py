"""Networks: ordinary modules of torch, by name or from a user's file, and what they become when they are traced."""

from sw.models.build import NETWORKS, build, check_name, network_source, traced
from sw.models.ir import ModelError, Node, Traced, torch_shape

__all__ = ["NETWORKS", "ModelError", "Node", "Traced", "build", "check_name", "network_source", "torch_shape",
           "traced"]
