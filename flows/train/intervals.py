"""What a count, or a few trainings, say of the truth: every interval that is shown comes from here."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, mean, stdev

__all__ = ["CONFIDENCE", "Effect", "Spread", "Wilson", "area_interval", "paired_effect", "spread_of", "wilson"]

CONFIDENCE = 0.95
UPPER = (1 + CONFIDENCE) / 2        # the quantile of a two-sided interval
ROUNDING = 1e-9         # what floats make of equal differences

Wilson = tuple[float, float]        # low and high, 0 to 1


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a change does to accuracy, over paired seeds."""

    difference: float                 # mean of (with - without)
    interval: tuple[float, float]     # 95%, by Student's t
    conclusion: str


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What the same training gives with other seeds."""

    count: int
    mean: float
    lowest: float
    highest: float


def wilson(right: int, inputs: int) -> Wilson:
    """The 95% interval of the share that is right, by Wilson's score (1927): never outside 0 to 1, also for few inputs.

    It holds for inputs drawn as the counted ones were; it knows nothing of other seeds.

    Raises
    ------
    ValueError
        If there are no inputs, or more right ones than inputs.

    >>> [round(bound, 3) for bound in wilson(359, 360)]
    [0.984, 1.0]
    """
    if not 0 <= right <= inputs or not inputs:
        raise ValueError(f"right={right} of inputs={inputs}: at least one input, and of them 0 to all right")
    z = NormalDist().inv_cdf(UPPER)
    share, weight = right / inputs, z * z / inputs
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * sqrt((share * (1 - share) + weight / 4) / inputs)
    return (max(0.0, middle - half) if right else 0.0, min(1.0, middle + half) if right < inputs else 1.0)


def area_interval(area: float, normal: int, anomalous: int) -> Wilson:
    """The 95% interval of the area under a receiver operating characteristic that was found with so many inputs, by the
    standard error of Hanley and McNeil (The meaning and use of the area under a ROC curve, Radiology 143, 1982).

    Raises
    ------
    ValueError
        If the area is none, or there is no input of a kind.

    >>> [round(bound, 3) for bound in area_interval(0.9, 50, 50)]
    [0.837, 0.963]
    """
    if not (0 <= area <= 1 and normal > 0 and anomalous > 0):
        raise ValueError(f"area={area}, normal={normal}, anomalous={anomalous}: 0 to 1, of one input of each at least")
    two_anomalous, two_normal = area / (2 - area), 2 * area * area / (1 + area)
    variance = (area * (1 - area) + (anomalous - 1) * (two_anomalous - area * area)
                + (normal - 1) * (two_normal - area * area)) / (normal * anomalous)
    half = NormalDist().inv_cdf(UPPER) * sqrt(max(variance, 0.0))
    return max(0.0, area - half), min(1.0, area + half)


def paired_effect(pairs: Sequence[tuple[float, float]]) -> Effect:
    """Mean of the differences of pairs (without, with), its 95% interval by Student's t, and what follows.

    Raises
    ------
    ValueError
        If there are fewer than two pairs.

    >>> paired_effect([(0.9, 0.92), (0.91, 0.93), (0.9, 0.93)]).conclusion
    'It helps: the whole interval is above 0.'
    """
    from scipy.special import stdtrit  # slow to load

    if len(pairs) < 2:
        raise ValueError(f"pairs: {len(pairs)} given; an interval takes two or more")
    differences = [after - before for before, after in pairs]
    quantile = float(stdtrit(len(differences) - 1, UPPER))
    middle, half = mean(differences), quantile * stdev(differences) / sqrt(len(differences))
    if half < ROUNDING:
        conclusion = "Nothing is shown: all pairs differ by the same, so their number says nothing."
    elif middle - half > 0:
        conclusion = "It helps: the whole interval is above 0."
    elif middle + half < 0:
        conclusion = "It hurts: the whole interval is below 0."
    else:
        conclusion = "No effect is shown: the interval contains 0."
    return Effect(difference=middle, interval=(middle - half, middle + half), conclusion=conclusion)


def spread_of(values: Sequence[float]) -> Spread:
    """Of at least one value.

    >>> spread_of([0.5, 0.75, 1.0])
    Spread(count=3, mean=0.75, lowest=0.5, highest=1.0)
    """
    return Spread(count=len(values), mean=mean(values), lowest=min(values), highest=max(values))
