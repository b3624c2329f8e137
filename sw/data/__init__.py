"""Data sets in their public formats."""

from sw.data.augment import Augmentation, augmentations_of, text_of
from sw.data.dataset import Dataset
from sw.data.errors import BrokenFiles, DataError
from sw.data.judge import Judged, judge
from sw.data.sources import load_dataset

__all__ = ["Augmentation", "BrokenFiles", "DataError", "Dataset", "Judged", "augmentations_of", "judge", "load_dataset",
           "text_of"]
