"""What a network counts as in keys."""

from dataclasses import replace

from flows.train.data import DataSource
from sw.models import NETWORKS
from sw.quant.config import TrainConfig, short_name
from sw.quant.recipe import Quantize, Recipe

__all__ = ["named", "network_key", "untrained"]


def named(config: TrainConfig) -> TrainConfig:
    """Without the place of a user's file, which decides nothing."""
    return replace(config, network=short_name(config.network))


def untrained(config: TrainConfig) -> TrainConfig:
    """Without what only decides how it is trained: the graph keeps its shapes, and the widths of its numbers."""
    widths = Quantize(layers=config.recipe.quantize.layers, act_bits=config.recipe.quantize.act_bits)
    return named(replace(config, recipe=Recipe(quantize=widths)))


def network_key(config: TrainConfig, data: DataSource) -> str:
    """Of a user's network, what it is now with its weights, whatever its function made it from; of one that comes with
    Heddle the sources say it all.
    """
    if config.network in NETWORKS:
        return ""
    from sw.quant.training import traced_of  # brings torch, which takes seconds to load

    return traced_of(config, data.load()).digest
