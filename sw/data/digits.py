"""scikit-learn's handwritten digits."""

import numpy as np

from sw.data.assemble import Part, assemble
from sw.data.augment import Shift
from sw.data.dataset import Dataset
from sw.data.errors import DataError
from sw.data.options import Options
from sw.data.split import divide

__all__ = ["load_digits"]

TEST = 360               # images
VALID = 180              # images
FULL_INK = 16            # grey value
SOURCE = "scikit-learn's digits"


def load_digits(path: str, options: Options) -> Dataset:
    """The 1,797 handwritten digits of 8x8 pixels that come with scikit-learn; ``path`` is empty.

    Raises
    ------
    DataError
        If there is a path.
    """
    from sklearn import datasets

    if path:
        raise DataError(f"data 'digits:{path}': the digits come with scikit-learn and take no path; write digits")
    bunch = datasets.load_digits()
    images, labels = bunch.images.astype(np.uint8)[..., None], bunch.target.astype(np.int64)
    train, test = (Part(inputs=images[part], labels=labels[part], inputs_from=SOURCE, labels_from=SOURCE)
                   for part in divide(labels, TEST, options.seed))
    return assemble("digits", train, test, held=VALID, options=options, scale=1 / FULL_INK,
                    augmentations=(Shift(rows=1, columns=1),))
