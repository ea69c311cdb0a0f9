"""Images as files: a stack, or any other image, as values from 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import ReaderError
from skry_dask.io.images.read import read_image
from skry_dask.io.remote import located
from skry_dask.io.temporary import on_this_machine

if TYPE_CHECKING:
    import os

    from skry_dask.io.remote import RemotePath
    from skry_dask.types import Float32Array

LEAST_SIDE_PX = 16
"""Images with a shorter side show too little to be registered."""


@dataclass(frozen=True, slots=True, eq=False)
class StackedImage:
    """An image that was read from a file.

    Parameters
    ----------
    name
        Of the file, as it was given.
    pixels
        float32 (y, x), or (y, x, channel) with red, green and blue; 1 = full scale; NaN where the
        file has no value.
    has_8_bits
        Whether the file has no more than 256 levels of brightness.
    metadata
        What the file says about how the image was made, see `write_image`.
    time
        When it was taken, as the header of the file says, ns since 1970-01-01 UTC, or None.
    """

    name: str
    pixels: Float32Array
    has_8_bits: bool
    metadata: dict[str, Any]
    time: int | None

    @property
    def is_colour(self) -> bool:
        """Whether there are three channels."""
        return self.pixels.ndim == 3

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, px."""
        height, width = self.pixels.shape[:2]
        return height, width

    @property
    def grey(self) -> Float32Array:
        """float32 (y, x), the mean of the channels."""
        return self.pixels.mean(axis=2) if self.is_colour else self.pixels

    def checked(self) -> StackedImage:
        """Return the image itself, if it can be registered.

        Raises
        ------
        ReaderError
            If it is too small, or has no value at all.
        """
        height, width = self.shape
        if min(height, width) < LEAST_SIDE_PX:
            raise ReaderError(
                f"{self.name} is {width} x {height} px: give images of {LEAST_SIDE_PX} x "
                f"{LEAST_SIDE_PX} px or more"
            )
        if np.isnan(self.pixels).all():
            raise ReaderError(f"{self.name} has no value in any pixel: give another image")
        return self


def read_stack(path: str | os.PathLike[str] | RemotePath) -> StackedImage:
    """Read an image.

    Parameters
    ----------
    path
        A TIFF, PNG, BMP, FITS or JPEG file with a single image, or its URL.

    Raises
    ------
    ReaderError
        If it cannot be read, or is raw colour.
    """
    with on_this_machine(located(path)) as local:
        file = read_image(local)
    if file.cfa is not None:
        raise ReaderError(f"{path} is raw colour ({file.cfa}), not a stack: stack it first")
    pixels = (file.data / np.float32(file.full_scale)).astype(np.float32)
    pixels[~np.isfinite(pixels)] = np.nan
    has_8_bits = file.data.dtype == np.uint8
    return StackedImage(str(path), pixels, has_8_bits, dict(file.metadata), file.time)
