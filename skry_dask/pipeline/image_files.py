"""Images of Python as files, and back: with the scale and the metadata of those that jobs write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skry_dask.finishing.stacked_images import read_stack
from skry_dask.graph.phase_inputs import check_image
from skry_dask.io.images.write import image_kind_for, write_image
from skry_dask.io.remote import located
from skry_dask.pipeline.outputs import software
from skry_dask.pipeline.upload import to_write
from skry_dask.types import CHANNEL

if TYPE_CHECKING:
    import os

    from skry_dask.io.remote import RemotePath


def save_image(
    image: Any,
    output: str | os.PathLike[str] | RemotePath,
    *,
    output_format: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Write an image, such as a stack that was sharpened, into a file.

    Parameters
    ----------
    image
        float (y, x) or (y, x, channel), 1 = full scale; NumPy array, dask array or DataArray, such
        as ``stack`` of a result. Nothing is stretched (see `adjust_tone`); formats of integers clip
        at 0 and 1, and NaN becomes 0.
    output
        The file to write, or its URL; replaced if it exists.
    output_format
        "tiff8", "tiff16", "tiff32", "png8", "png16", "bmp" or "fits"; by default as the suffix
        says.
    metadata
        JSON-compatible, stored in the file; by default that of an image of `open_image`.

    Raises
    ------
    OptionsError
        If it is no image, or the suffix or format is none of these.
    StoreError
        If the file cannot be written.

    Examples
    --------
    >>> import skry_dask as skry
    >>> stacked = skry.open_results("moon.ser")["stack"]  # of skry.run("moon.ser")
    >>> skry.save_image(skry.sharpen(stacked["stack"], method="unsharp"), "sharp.png")
    >>> skry.open_image("sharp.png").dims
    ('y', 'x')
    """
    check_image("save_image", image)
    target = located(output)
    kind = output_format or image_kind_for(target)
    known = image.attrs.get("metadata") if isinstance(image, xr.DataArray) else None
    about = {"software": software(), **(metadata or known or {})}
    with to_write(target) as path:
        write_image(path, np.asarray(image), kind=kind, metadata=about)


def open_image(source: str | os.PathLike[str] | RemotePath) -> xr.DataArray:
    """Read an image from a file, such as a stack that a job has written.

    Parameters
    ----------
    source
        A TIFF, PNG, BMP, FITS or JPEG file, or its URL.

    Returns
    -------
    xarray.DataArray
        float32 (y, x), or (y, x, channel) with red, green and blue; 1 = full scale, in memory.
        ``attrs["metadata"]`` is what the file says about how the image was made.

    Raises
    ------
    ReaderError
        If the file cannot be read.

    Examples
    --------
    >>> import skry_dask as skry
    >>> image = skry.open_image("r.tif")
    >>> image.dtype, image.attrs["metadata"]["frames"]
    (dtype('float32'), 16)
    """
    stack = read_stack(source)
    dims = ("y", "x", "channel")[: stack.pixels.ndim]
    coords = {"channel": CHANNEL} if stack.is_colour else {}
    about = {"units": "1", "long_name": "image", "metadata": stack.metadata}
    return xr.DataArray(stack.pixels, coords, dims, "image", about)
