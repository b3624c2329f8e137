"""What a network counts as in keys."""

from dataclasses import replace

from flows.train.data import DataSource
from sw.models import NETWORKS
from sw.quant.config import TrainConfig, short_name

__all__ = ["named", "network_key"]


def named(config: TrainConfig) -> TrainConfig:
    """Without the place of a user's file, which decides nothing."""
    return replace(config, network=short_name(config.network))


def network_key(config: TrainConfig, data: DataSource) -> str:
    """Of a user's network, what it is now with its weights, whatever its function made it from; of one that comes with
    Heddle the sources say it all.
    """
    if config.network in NETWORKS:
        return ""
    from sw.quant.training import traced_of  # brings torch, which takes seconds to load

    return traced_of(config, data.load()).digest
