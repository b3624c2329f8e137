"""Errors of a multiplier's table of products in the forward pass, bit for bit as golden has them.

What a table of products differs from exact ones is a matrix, activations by weights. Where it is a sum of a few
products of a function of the activation and one of the weight, an error's sum is one convolution of these functions'
values, side by side as more input channels; else each sum is gathered from the table.
"""

import math
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hw.spec.feedback import NoiseProfile
from hw.spec.multipliers import MULTIPLIERS, product_table
from sw.quant.noise import Noise
from sw.quant.recipe import Quantize

if TYPE_CHECKING:
    from sw.quant.product import Product, Signal

__all__ = ["Exact", "Factors", "errors_of", "factors"]

MOST_TERMS = 8          # more of them take longer than to gather
EXACT_FLOAT32 = 1 << 24
TAPS_OF_A_TERM = 3      # of a depthwise convolution: so many are gathered in the time of a term's
MOST_PLACES = 1 << 20   # at a time, since pages that are new to a process take longer than what is written to them
ACTS = np.arange(-128, 128)


class Factors(NamedTuple):
    """``acts @ weights`` is a table."""

    acts: np.ndarray        # whole numbers (256, terms)
    weights: np.ndarray     # whole numbers (terms, weights)


def factors(table: np.ndarray, most: int = MOST_TERMS) -> Factors | None:
    """Whole numbers whose product is ``table`` (256, weights), of ``most`` terms at most; None where none are found.

    The terms are rows of the table, smaller ones first, of which all others are sums of whole multiples. That is found
    by least squares and holds for every entry, since it is tried.

    >>> found = factors(np.outer(np.arange(256) % 4, [3, -6]))
    >>> found.weights.tolist(), found.acts[:5, 0].tolist()
    ([[3, -6]], [0, 1, 2, 3, 0])
    """
    rows = table.astype(np.int64)
    order = np.argsort(np.abs(rows).sum(axis=1), kind="stable")
    kept = np.zeros((0, rows.shape[1]), np.int64)
    shares = np.zeros((len(rows), 0), np.int64)
    while True:
        wrong = (shares @ kept != rows).any(axis=1)
        if not wrong.any():
            return Factors(acts=shares, weights=kept)
        if len(kept) == most:
            return None
        kept = np.vstack([kept, rows[order[wrong[order]][0]]])
        shares = np.rint(rows @ np.linalg.pinv(kept.astype(np.float64))).astype(np.int64)


class Exact:
    """What sums of products are off by on a multiplier of ``hw.spec.multipliers``.

    Parameters
    ----------
    gradient
        ``"straight"``: as of exact products. ``"slope"``: that of each operand is the slope of the table along it, by
        least squares, for each value of the other one.
    """

    def __init__(self, multiplier: str, weight_bits: int, gradient: str = "straight"):
        kind = MULTIPLIERS[multiplier]
        self.weight_bits, self.gradient, self.silent = weight_bits, gradient, kind.exact(weight_bits)
        self.half = (1 << weight_bits) // 2
        table = np.array(product_table(kind, weight_bits))
        weights = np.arange(-self.half, table.shape[1] - self.half)
        error = table - np.outer(ACTS, weights)
        self.error, self.most = torch.from_numpy(error.astype(np.float32)), int(np.abs(error).max())
        self.factors = factors(error)
        self.slope_along_act = torch.from_numpy(_slopes(table, ACTS)).float()            # of each weight
        self.slope_along_weight = torch.from_numpy(_slopes(table.T, weights)).float()    # of each activation

    def added(self, layer: "Product", taken: "Signal", weights: Tensor, total: Tensor) -> Tensor:
        """``total``, sums of activations times integer ``weights``, with the errors, in the same unit.

        Weights are stored with the sign of what their channel is multiplied with later, as ``sw.quant.lower`` has it.
        """
        with torch.no_grad():
            sign = torch.where(layer.gain(taken.scale) < 0, -1.0, 1.0)
            acts = (taken.value / taken.scale).round_().add_(taken.zero_point + 128).to(torch.int32)
            stored = (weights * _along(sign, weights)).round_().add_(self.half).long()
            error = self._sums(layer, acts, taken.zero_point + 128, stored)
            error *= (sign * taken.scale).reshape(-1, *[1] * (total.dim() - 2))
            if self.gradient == "slope":
                slopes = (self.slope_along_weight - taken.zero_point) * taken.scale
                along_weight = _of(slopes, acts)
                along_act = self.slope_along_act[stored] * _along(sign, weights)
                error += total
        if self.gradient == "straight":
            return total + error
        return _Sloped.apply(taken.value, weights, along_weight, along_act, error, layer)

    def _sums(self, layer: "Product", acts: Tensor, zero: int, weights: Tensor) -> Tensor:
        """Whole numbers, of indices of activations and weights; what is beyond the input is ``zero``."""
        if layer.weight is None:        # one product for each output
            each = torch.arange(0, 256 * len(weights), 256, dtype=torch.int32).reshape(-1, *[1] * (acts.dim() - 2))
            return _of(self.error.T[weights.flatten()], acts + each)
        few_taps = layer.depthwise and self.factors and weights[0].numel() < TAPS_OF_A_TERM * self.factors.acts.shape[1]
        if self.factors is not None and not few_taps:
            found = self._factored(layer, self.factors, acts, zero, weights)
        else:
            found = self._gathered(layer, acts, zero, weights)
        beyond = self.error[zero][weights].flatten(1).sum(1)        # of a window that sees nothing else
        return found.add_(beyond.reshape(-1, *[1] * (found.dim() - 2)))

    @staticmethod
    def _factored(layer: "Product", terms: Factors, acts: Tensor, zero: int, weights: Tensor) -> Tensor:
        """By a convolution of the terms, less those of the zero point, so that padding is 0."""
        by_act, by_weight = terms.acts - terms.acts[zero], terms.weights
        most = int((np.abs(by_act).max(axis=0) * np.abs(by_weight).max(axis=1)).sum()) * weights[0].numel()
        kind = torch.float32 if most <= EXACT_FLOAT32 else torch.float64
        kernels = torch.from_numpy(by_weight.T.copy()).to(kind)[weights]
        if layer.depthwise:     # a convolution of groups of several channels is slow
            found = torch.zeros((), dtype=kind)
            for term, along_act in enumerate(torch.from_numpy(by_act.T.copy()).to(kind)):
                found = found + layer.products(_of(along_act, acts), kernels[..., term].contiguous())
            return found.to(torch.float32)
        planes, beside = torch.from_numpy(by_act).to(kind), kernels.movedim(-1, 2).flatten(1, 2)
        few = max(1, MOST_PLACES // (by_act.shape[1] * acts[0].numel()))
        return torch.cat([
            layer.products(functional.embedding(part.movedim(1, -1), planes).flatten(-2).movedim(-1, 1), beside)
            for part in acts.split(few)]).to(torch.float32)

    def _gathered(self, layer: "Product", acts: Tensor, zero: int, weights: Tensor) -> Tensor:
        """From the table, less what it has for the zero point."""
        node, outputs = layer.node, len(weights)
        table = self.error - self.error[zero]
        if node.op == "linear":
            terms = acts.shape[1]
            return _sums(acts * terms + torch.arange(terms, dtype=torch.int32), self._entries(table, weights))
        acts = _padded(layer, acts, zero)
        if layer.depthwise:
            return _by_taps(layer, acts, table.T[weights]).reshape(-1, outputs, *node.shape[1:])
        parts, kernels = acts.split(weights.shape[1], dim=1), weights.split(outputs // node.groups)
        found = []
        for part, own in zip(parts, kernels, strict=True):
            entries = self._entries(table, own.movedim(1, -1).flatten(1))
            few = max(1, MOST_PLACES // (math.prod(node.shape[1:]) * own[0].numel()))
            found.append(torch.cat([_sums(_windows(layer, some), entries) for some in part.split(few)]))
        pixels = torch.cat(found, dim=1).reshape(len(acts), -1, outputs)
        return pixels.movedim(-1, 1).reshape(-1, outputs, *node.shape[1:])

    def _entries(self, table: Tensor, weights: Tensor) -> Tensor:
        """(256 times K, outputs) of ``table``, for ``weights`` (outputs, K)."""
        outputs, terms = weights.shape
        kind = torch.float32 if 2 * self.most * terms <= EXACT_FLOAT32 else torch.float64
        return table.to(kind).index_select(1, weights.T.reshape(-1)).reshape(-1, outputs)


class _Sloped(torch.autograd.Function):
    """Sums whose gradient is that of products of the slopes: along the weight in place of the activation, and along the
    activation in place of the weight."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, weights: Tensor, along_weight: Tensor, along_act: Tensor, sums: Tensor,
                layer: "Product") -> Tensor:
        ctx.save_for_backward(along_weight, along_act)
        ctx.layer = layer
        return sums

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        by_value, by_weight = ctx.layer.gradients(gradient, *ctx.saved_tensors)
        return by_value, by_weight, None, None, None, None


def _slopes(table: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Of each column of ``table``, over the values of its rows, by least squares."""
    centred = along - along.mean()
    found: np.ndarray = centred @ table / (centred @ centred)
    return found


def _along(sign: Tensor, weights: Tensor) -> Tensor:
    return sign.reshape(-1, *[1] * (weights.dim() - 1))


def _padded(layer: "Product", acts: Tensor, zero: int) -> Tensor:
    """With what is beyond the input: (N, C, H, W)."""
    top, left, bottom, right = layer.node.padding
    return functional.pad(acts.unsqueeze(2) if layer.sequence else acts, (left, right, top, bottom), value=zero)


def _sums(bags: Tensor, entries: Tensor) -> Tensor:
    """Sums (N, outputs) of ``entries``, of those rows (N, K) that ``bags`` names."""
    return functional.embedding_bag(bags, entries, mode="sum").to(torch.float32)


def _windows(layer: "Product", acts: Tensor) -> Tensor:
    """Of what each output pixel sees, by taps and channels, rows of (256, terms): int32 (N times pixels, terms)."""
    node, (rows, columns) = layer.node, layer.kernel().shape[2:]
    count, channels = acts.shape[:2]
    terms = rows * columns * channels
    (down, right), (step_y, step_x) = node.stride, node.dilation
    height, width = node.shape[1:] if len(node.shape) > 2 else (1, node.shape[1])
    last = (acts * terms).movedim(1, -1).contiguous()
    image, line, pixel, _ = last.stride()
    seen = last.as_strided((count, height, width, rows, columns, channels),
                           (image, down * line, right * pixel, step_y * line, step_x * pixel, 1))
    places = torch.arange(terms, dtype=torch.int32).reshape(rows, columns, channels)
    return torch.add(seen, places, out=torch.empty(seen.shape, dtype=torch.int32)).reshape(-1, terms)


def _by_taps(layer: "Product", acts: Tensor, tables: Tensor) -> Tensor:
    """Sums of entries of ``tables`` (outputs, 1, KH, KW, 256), those of each output's own channel."""
    node, outputs = layer.node, len(tables)
    (down, right), (step_y, step_x) = node.stride, node.dilation
    index = acts.repeat_interleave(outputs // acts.shape[1], dim=1)
    index += torch.arange(0, 256 * outputs, 256, dtype=torch.int32).reshape(-1, 1, 1)
    height, width = (size - (kernel - 1) * apart for size, kernel, apart in zip(
        acts.shape[2:], tables.shape[2:4], node.dilation, strict=True))
    found = torch.zeros(())
    for ky, kx in product(range(tables.shape[2]), range(tables.shape[3])):
        y, x = ky * step_y, kx * step_x
        seen = index[:, :, y:y + height:down, x:x + width:right]
        found = found + _of(tables[:, 0, ky, kx], seen)
    return found


def _of(table: Tensor, index: Tensor) -> Tensor:
    """``table.take(index)``, in a third of the time."""
    return table.reshape(-1).index_select(0, index.reshape(-1)).reshape(index.shape)


def errors_of(profile: NoiseProfile, options: Quantize, generator: torch.Generator) -> Noise | Exact:
    """How the multiplier of a profile errs in the forward pass, as a recipe has it."""
    if options.forward == "exact":
        return Exact(profile.multiplier, profile.weight_bits, options.gradient)
    return Noise(profile, generator)
