"""Images of filters in, one image in colour out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from skry_dask.finishing.colour.combining import COLOURS, LUMINANCE, combine_images
from skry_dask.finishing.stacked_images import read_stack
from skry_dask.io.images.write import image_kind_for, write_image
from skry_dask.io.remote import located
from skry_dask.options import as_json
from skry_dask.options.combining import CombineOptions
from skry_dask.options.given import options_of
from skry_dask.options.rivals import OF_COLOURS
from skry_dask.pipeline.outputs import Outputs, software
from skry_dask.pipeline.progress import Progress, report_nothing, shows_progress
from skry_dask.pipeline.upload import to_write
from skry_dask.types import CHANNEL

if TYPE_CHECKING:
    import os

    from skry_dask.finishing.colour.combining import Combination
    from skry_dask.finishing.stacked_images import StackedImage
    from skry_dask.io.remote import RemotePath
    from skry_dask.pipeline.progress import Report


@shows_progress
def combine(
    red: str | os.PathLike[str],
    green: str | os.PathLike[str],
    blue: str | os.PathLike[str],
    luminance: str | os.PathLike[str] | None = None,
    *,
    output: str | os.PathLike[str] | RemotePath | None = None,
    output_format: str | None = None,
    options: CombineOptions | None = None,
    progress: Report | None = None,
    **choices: Any,
) -> xr.Dataset:
    """Combine images of three filters, and of a luminance, to one in colour.

    Images are registered to the luminance, or to green, to a part of a pixel, locally too. They may
    differ in size, brightness and contrast. Brightness is not stretched.

    Parameters
    ----------
    red, green, blue
        Grey images, such as stacks.
    luminance
        Grey image, such as a stack without filter or in infrared, whose brightness replaces that of
        the three.
    output
        Image to write; None = none.
    output_format
        Kind of the image; by default that of the suffix.
    options
        How.
    progress
        Called with each `Progress`.
    **choices
        Options by name, such as ``white_balance=True``. They win over ``options``.

    Returns
    -------
    xarray.Dataset
        ``image`` float32 (y, x, channel), 1 = full scale, NaN where an image has no value. ``y``
        and ``x`` are px on the grid of the image that was registered to. Attributes:
        ``registration``, for each other image its ``shift`` y, x (px), ``scale``, ``rotation``
        (degrees), ``local`` displacement (px rms) and ``agreement`` (0 to 1); ``problems``, what
        the user should know; ``metadata``, what is stored in the image.

    Raises
    ------
    ReaderError
        If a file cannot be read.
    OptionsError
        If an image is in colour, or the kind of image to write is not known.
    AlignmentError
        If an image does not show what the others show, or at another scale.
    StoreError
        If the image cannot be written, or would overwrite an input.

    Examples
    --------
    >>> import skry_dask as skry
    >>> made = skry.combine("r.tif", "g.tif", "b.tif", output="rgb.tif")
    >>> made["image"].dims
    ('y', 'x', 'channel')
    """
    options = options_of(CombineOptions, options, choices, "combine", OF_COLOURS)
    report = progress or report_nothing
    given = dict(zip((*COLOURS, LUMINANCE), (red, green, blue, luminance), strict=True))
    paths = {role: path for role, path in given.items() if path is not None}
    target = None if output is None else located(output)
    outputs = Outputs(image=target, kind=output_format)
    outputs.check()
    outputs.check_read(*paths.values())
    images = {role: read_stack(path).checked() for role, path in paths.items()}
    found = combine_images(
        images, options, lambda done, total: report(Progress("register", done, total))
    )
    metadata = _metadata(images, found, options)
    if target is not None:
        with to_write(target) as path:
            kind = output_format or image_kind_for(target)
            write_image(path, found.pixels, kind=kind, metadata=metadata)
    return xr.Dataset(
        {"image": (("y", "x", "channel"), found.pixels, {"long_name": "image", "units": "1"})},
        {"y": found.region.y_coords, "x": found.region.x_coords, "channel": CHANNEL},
        {"registration": found.described(), "problems": found.notes, "metadata": metadata},
    )


def _metadata(
    images: dict[str, StackedImage], found: Combination, options: CombineOptions
) -> dict[str, Any]:
    """Collect what the image should say about how it was made, JSON-compatible."""
    region = found.region
    scales = {image.metadata.get("scale") for image in images.values()}
    same = scales.pop() if len(scales) == 1 else None
    plain = not (options.white_balance or options.gains or LUMINANCE in images)
    return {
        "software": software(),
        "image": "combination of filters",
        "inputs": {
            role: {"file": Path(image.name).name, "metadata": image.metadata}
            for role, image in images.items()
        },
        "options": {"combine": as_json(options)},
        "reference": found.reference,
        "registration": found.described(),
        "region": {"y": region.y, "x": region.x, "height": region.height, "width": region.width},
        "scale": same if plain and same else "1 is full scale of the images of the filters",
    }
