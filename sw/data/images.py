"""Folders of images: PNG and JPEG, colour or grey, of one size or brought to one."""

import struct
import warnings
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from sw.data.arrays import BYTE_PEAK
from sw.data.assemble import assemble, usual
from sw.data.dataset import Dataset
from sw.data.errors import DataError
from sw.data.folders import Files, FolderOptions, Unreadable, find_files, parts_of, read_all, reason_of, without_broken
from sw.data.options import option

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ImageOptions", "load_images"]

SUFFIXES = (".png", ".jpg", ".jpeg")
GREYS = ("1", "L", "LA", "I", "I;16", "I;16B", "F")    # Pillow's modes without colour
ORIENTATION, QUARTER_TURNS = 0x0112, (5, 6, 7, 8)       # of EXIF: which way the camera was held
#: What Pillow raises of damaged files.
FAILURES = (OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, struct.error, zlib.error)
SCALED = 2                                              # times its size that a JPEG is read at least with
MOST_PIXELS = 64 << 20                                  # of a file
LARGEST = 1024                                          # pixels of a side


@dataclass(frozen=True, kw_only=True)
class ImageOptions(FolderOptions):
    """How images are read."""

    size: tuple[int, int] | None = option(None, "width and height that all are brought to, such as 32x32, or 32 for "
                                                "both; without it they are of one size")
    fit: Literal["stretch", "crop", "pad"] = option("stretch", "how an image of another shape gets that size: "
                                                               "stretch, crop its middle, or pad with black")
    grey: bool | None = option(None, "1 for one channel, 0 for three; without it three if any image has colour")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size and not all(1 <= side <= LARGEST for side in self.size):
            raise DataError(f"size={self.size[0]}x{self.size[1]}: width and height are 1 to {LARGEST}")


def load_images(path: str, options: ImageOptions) -> Dataset:
    """The images of a folder as bytes, 255 of which mean 1; what is transparent loses that.

    Raises
    ------
    DataError
        If there are none, they are of several sizes, or broken; the message names the file.
    """
    from PIL import Image

    if not path:
        raise DataError("data 'images:': no folder; write images:DIR")
    files = find_files(Path(path), SUFFIXES, options, "image")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)     # such files are refused
        inputs = _read(files, options)
    parts, names = parts_of(files, inputs, options)
    return assemble(Path(path).resolve().name, parts["train"], parts.get("test"), valid=parts.get("valid"),
                    options=options, scale=1 / BYTE_PEAK, class_names=names, warnings=files.warnings,
                    broken=files.broken, augmentations=usual(inputs.shape[1:]))


def _read(files: Files, options: ImageOptions) -> np.ndarray:
    (width, height), grey = _form(files, options)

    def read(file: Path) -> np.ndarray:
        return _pixels(file, width, height, grey, options.fit)

    return read_all(files, np.empty((len(files.files), height, width, 1 if grey else 3), np.uint8), read, options)


def _form(files: Files, options: ImageOptions) -> tuple[tuple[int, int], bool]:
    """Width, height, and whether all is grey; only the files' heads are read."""
    if options.size and options.grey is not None:
        return options.size, options.grey
    forms, reasons = [], []
    for each in files.files:
        try:
            forms.append(_head(each.path))
            reasons.append("")
        except Unreadable as error:
            reasons.append(str(error))
    if any(reasons):
        without_broken(files, reasons, options)
    sizes = Counter(size for size, _ in forms)
    if not options.size and len(sizes) > 1:
        (usual_size, count), (other, _) = sizes.most_common(2)
        odd = next(each.path for each, (size, _) in zip(files.files, forms, strict=True) if size == other)
        raise DataError(f"{odd}: is {other[0]}x{other[1]}, {count} of {len(forms)} images are "
                        f"{usual_size[0]}x{usual_size[1]}; add size={usual_size[0]}x{usual_size[1]}, or another")
    size = options.size or next(iter(sizes))
    if max(size) > LARGEST:
        raise DataError(f"{files.files[0].path}: is {size[0]}x{size[1]}; add size=WIDTHxHEIGHT with at most {LARGEST} "
                        f"each")
    return size, all(mode in GREYS for _, mode in forms) if options.grey is None else options.grey


def _head(path: Path) -> tuple[tuple[int, int], str]:
    """Size as it is shown, and mode."""
    with _opened(path) as image:
        try:
            # of a PNG without it, asking reads all of the image
            known = image.format == "JPEG" or "exif" in image.info
            turned = known and image.getexif().get(ORIENTATION, 1) in QUARTER_TURNS
        except FAILURES as error:
            raise Unreadable(_said(error)) from None
        return (image.size[::-1] if turned else image.size), image.mode


def _opened(path: Path) -> "Image.Image":
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(path, formats=("PNG", "JPEG"))
    except UnidentifiedImageError:
        raise Unreadable(reason_of(path, "is no PNG or JPEG")) from None
    except (Image.DecompressionBombError, *FAILURES) as error:
        raise Unreadable(_said(error)) from None
    if image.width * image.height > MOST_PIXELS:
        image.close()
        raise Unreadable(f"has {image.width}x{image.height} pixels; at most {MOST_PIXELS:,} are read")
    return image


def _pixels(path: Path, width: int, height: int, grey: bool, fit: str) -> np.ndarray:
    """uint8 ``(height, width, channels)``."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    with _opened(path) as opened:
        try:
            opened.draft(None, (SCALED * max(width, height),) * 2)      # of a JPEG that is much too large
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith(("I", "F")):
                image = _narrowed(image)
            image = image.convert("L" if grey else "RGB")
            if image.size != (width, height):
                shaper = {"crop": ImageOps.fit, "pad": ImageOps.pad}.get(fit)
                image = (shaper(image, (width, height), Resampling.BILINEAR) if shaper
                         else image.resize((width, height), Resampling.BILINEAR))
        except FAILURES as error:
            raise Unreadable(_said(error)) from None
        return np.asarray(image).reshape(height, width, -1)


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())


def _narrowed(image: "Image.Image") -> "Image.Image":
    """Greys of 16 bits as bytes; Pillow would cut them off at 255."""
    from PIL import Image

    return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 0xFFFF) >> 8).astype(np.uint8))
