"""Data sets by what ``--data`` says. To add a source, write a module that loads it and name it here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sw.data import arrays, digits, idx, images, recordings, series, tables
from sw.data.anomalies import learning_normal
from sw.data.dataset import Dataset
from sw.data.errors import DataError
from sw.data.function import load_function
from sw.data.options import Options, parse_options, split_source

__all__ = ["SOURCES", "Source", "load_dataset", "waveforms_of"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A kind of data set: what stands behind the colon, and what reads it."""

    place: str                                  # DIR, FILE, or nothing
    options: type[Options]
    load: Callable[[str, Any], Dataset]         # takes the place and the options


_IDX = Source(place="DIR", options=Options, load=idx.load_folder)
#: What stands before the colon -> what it is.
SOURCES: dict[str, Source] = {
    "digits": Source(place="", options=Options, load=digits.load_digits), "idx": _IDX, "mnist": _IDX,
    "images": Source(place="DIR", options=images.ImageOptions, load=images.load_images),
    "wav": Source(place="DIR", options=recordings.RecordingOptions, load=recordings.load_recordings),
    "npz": Source(place="FILE", options=arrays.ArrayOptions, load=arrays.load_npz),
    "csv": Source(place="FILE", options=tables.TableOptions, load=tables.load_table),
    "ts": Source(place="DIR", options=series.SeriesOptions, load=series.load_series),
}


def load_dataset(name: str) -> Dataset:
    """The data set of ``KIND:PLACE,option=value``, or of ``FILE.py:FUNCTION,option=value``.

    Raises
    ------
    DataError
        If kind or option is unknown, or a file is missing, damaged, or cannot be trained on.

    >>> load_dataset("digits").inputs["test"].shape
    (360, 8, 8, 1)
    """
    source, given = split_source(name)
    kind, _, place = source.partition(":")
    try:
        if place.startswith("~"):
            place = str(Path(place).expanduser())       # a shell leaves it behind a colon
        if kind in SOURCES:
            options = parse_options(SOURCES[kind].options, given, source)
            found, normal = SOURCES[kind].load(place, options), options.normal
        elif source.rpartition(":")[0].endswith(".py"):
            found, normal = load_function(source, given), given.get("normal", "")
        else:
            raise DataError(f"data {name!r}: unknown; choose {_choices()}")
        return learning_normal(found, normal) if normal else found
    except DataError:
        raise
    except (OSError, ValueError, MemoryError) as error:
        raise DataError(f"data {name!r}: {str(error) or 'the memory is too small'}") from error


def waveforms_of(name: str) -> str:
    """The source of the waveforms that a source makes features of, in the same order.

    >>> waveforms_of("wav:words,features=40,seed=2")
    'wav:words,seed=2'
    """
    source, given = split_source(name)
    kept = {option: value for option, value in given.items() if option not in ("features", "augment")}
    return ",".join([source, *(f"{option}={value}" for option, value in kept.items())])


def _choices() -> str:
    """
    >>> _choices()
    'digits, idx:DIR, mnist:DIR, images:DIR, wav:DIR, npz:FILE, csv:FILE, ts:DIR or FILE.py:FUNCTION'
    """
    named = [f"{kind}:{source.place}".rstrip(":") for kind, source in SOURCES.items()]
    return f"{', '.join(named)} or FILE.py:FUNCTION"
