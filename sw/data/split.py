"""Which inputs train, which choose between networks, which are only reported.

Classes are in proportion. Inputs of one group (a speaker, a take, a recording whose windows overlap) stay together.
"""

import re
import warnings
from collections.abc import Sequence

import numpy as np

from sw.data.errors import DataError

__all__ = ["SEED", "divide", "hold_back", "order_names"]

SEED = 0                 # of the split
NAMED = 8                # groups that a message names


def divide(labels: np.ndarray, held: int, seed: int = SEED) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the inputs that stay, then of the ``held`` ones held back, with the classes in proportion."""
    from sklearn.model_selection import train_test_split

    stay, out = train_test_split(np.arange(len(labels)), test_size=held, stratify=labels, random_state=seed)
    return np.sort(stay), np.sort(out)


def hold_back(labels: np.ndarray, groups: np.ndarray | None, wanted: str, *, share: float, seed: int,
              where: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the inputs that stay, then of those held back.

    ``wanted`` is a share, or names of groups: ``theo``, ``theo,jackson``, ``0-4``; without it ``share`` is taken.

    Raises
    ------
    DataError
        If there are no such groups, or too few; ``where`` leads the message.
    """
    if wanted:
        try:
            share = float(wanted)
        except ValueError:
            return _named(groups, wanted, where)
        if groups is not None and wanted in groups:
            return _named(groups, wanted, where)
        if not 0 < share < 1:
            raise DataError(f"{where}: a share of {wanted} of the inputs; write one between 0 and 1"
                            f"{', or names of groups' if groups is not None else ''}")
    if groups is None:
        present = len(np.unique(labels))
        held = max(present, round(len(labels) * share))
        if len(labels) - held < present:
            raise DataError(f"{where}: {len(labels)} inputs of {present} classes are too few to hold back {held}; give "
                            f"more")
        return divide(labels, held, seed)
    return _divide_groups(labels, groups, share, seed, where)


def _named(groups: np.ndarray | None, wanted: str, where: str) -> tuple[np.ndarray, np.ndarray]:
    if groups is None:
        raise DataError(f"{where}: {wanted!r} is no share of the inputs, and there are no groups to name; write a "
                        f"share such as 0.2")
    every = sorted(set(groups.tolist()), key=_order)
    chosen: set[str] = set()
    for part in wanted.split(","):
        span = re.fullmatch(r"(\d+)-(\d+)", part)
        found = {part} & set(every) or ({each for each in every if each.isdecimal() and span
                                         and int(span[1]) <= int(each) <= int(span[2])})
        if not found:
            more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
            raise DataError(f"{where}: no group {part!r}; there are {', '.join(every[:NAMED])}{more}")
        chosen |= found
    out = np.isin(groups, sorted(chosen))
    if out.all():
        raise DataError(f"{where}: {wanted!r} is all there is; leave some to train on")
    return np.flatnonzero(~out), np.flatnonzero(out)


def _order(name: str) -> tuple[bool, int, str]:
    """Numbers by their size, then texts."""
    return not name.isdecimal(), int(name) if name.isdecimal() else 0, name


def _divide_groups(labels: np.ndarray, groups: np.ndarray, share: float, seed: int,
                   where: str) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.model_selection import StratifiedGroupKFold

    names, first, number = np.unique(groups, return_index=True, return_inverse=True)
    if len(names) < 2:
        raise DataError(f"{where}: all inputs are of one group ({names[0]}), which cannot be split without telling the "
                        f"answers; name more groups, or smaller ones")
    if (labels == labels[first][number]).all():     # each group is of one class
        of_groups = labels[first]
        held = max(len(np.unique(of_groups)), round(len(names) * share))
        single = [int(each) for each in np.unique(of_groups) if (of_groups == each).sum() < 2]
        if single or len(names) - held < len(np.unique(of_groups)):
            raise DataError(f"{where}: {len(names)} groups of {len(np.unique(of_groups))} classes are too few; each "
                            f"class needs one to train on, one to choose by, one to test (class number "
                            f"{(single or [int(of_groups[0])])[0]} lacks them): give more, or smaller ones, as "
                            f"piece=ROWS makes of tables")
        _, out_groups = divide(of_groups, held, seed)
        out = np.isin(number, out_groups)
        return np.flatnonzero(~out), np.flatnonzero(out)
    folds = max(2, min(round(1 / share), len(names), int(np.bincount(labels).max())))
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)   # a class with fewer inputs than folds: seen afterwards
        stay, out = next(splitter.split(np.zeros(len(labels)), labels, number))
    return stay, out


def order_names(names: Sequence[str]) -> list[str]:
    """Names of classes or groups in their order: numbers by size, else by letter.

    >>> order_names(["10", "9", "b", "a"])
    ['9', '10', 'a', 'b']
    """
    return sorted(set(names), key=_order)
