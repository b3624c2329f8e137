"""Data sets in their public formats."""

from sw.data.augment import Augmentation, augmentations_of, text_of
from sw.data.dataset import Dataset
from sw.data.errors import BrokenFiles, DataError
from sw.data.sources import load_dataset

__all__ = ["Augmentation", "BrokenFiles", "DataError", "Dataset", "augmentations_of", "load_dataset",
           "text_of"]
