"""The sharpened image of a stack: its name, its metadata, and whether it is there already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import OptionsError, ReaderError
from skry_dask.finishing.sharpening.psf import point_spread
from skry_dask.finishing.sharpening.sharpen import sharpen
from skry_dask.finishing.tone.tone import adjust_tone
from skry_dask.io.images.image_format import describe, parse_description
from skry_dask.io.images.read import read_image
from skry_dask.io.images.write import image_kind_for, write_image
from skry_dask.options import as_json
from skry_dask.options.files import read_toml
from skry_dask.options.sharpening import SharpenMethod, SharpenOptions
from skry_dask.options.tone import ToneOptions

if TYPE_CHECKING:
    import os

    import xarray as xr

    from skry_dask.io.remote import Location
    from skry_dask.types import AnyArray

MAX_MISSING = 0.02
"""Half stacks that show nothing in a larger share of the stack do not tell its noise."""

BRIGHT = 0.05
"""Where a stack is brighter than this fraction of its brightest pixel, halves have a value."""

HALVES = ("even", "odd")
"""What the names of half stacks end with: moon-even.tif, moon-odd.tif beside moon.tif."""


def chosen_sharpening(
    given: str | os.PathLike[str] | SharpenOptions,
) -> tuple[SharpenOptions, ToneOptions]:
    """Find out how a stack is to be sharpened, and what is done to its tone.

    Parameters
    ----------
    given
        "auto", a file with options, or these.

    Raises
    ------
    OptionsError
        If the file cannot be read, or its content is wrong; or the image of a PSF shows none.
    ReaderError
        If the image of a PSF cannot be read.
    """
    options, tone = SharpenOptions(), ToneOptions()
    if isinstance(given, SharpenOptions):
        options = given
    elif given != "auto":
        found = read_toml(Path(given), SharpenOptions, ToneOptions)
        options, tone = found.get("sharpen", options), found.get("tone", tone)
    if options.psf is not None:
        point_spread(options)  # said now, and not after hours
    return options, tone


def sharpened_name(image: Location, suffix: str | None = None) -> str:
    """Name the sharpened image: ``moon.tif`` → ``moon-sharpened.tif``.

    Parameters
    ----------
    image
        The image.
    suffix
        Suffix of the sharpened one; None for the same, or .tif where that cannot be written.
    """
    return f"{_stem(image)}-sharpened{suffix or _written_suffix(image)}"


def _stem(image: Location) -> str:
    return image.stem.removesuffix(".fits") if image.suffix == ".gz" else image.stem


def _written_suffix(image: Location) -> str:
    try:
        image_kind_for(image)
    except OptionsError:
        return ".tif"
    return image.suffix


def sharpened_metadata(
    metadata: dict[str, Any],
    options: SharpenOptions,
    tone: ToneOptions,
    source: str,
    halves: tuple[str, ...],
) -> dict[str, Any]:
    """Add to the provenance of a stack how it was sharpened.

    Parameters
    ----------
    metadata
        Of the stack.
    options
        How it was sharpened.
    tone
        What was done to its tone.
    source
        Name of the stack.
    halves
        Names of the half stacks that were used.
    """
    about = {"version": options.version, **as_json(options)}
    if options.method is not SharpenMethod.NONE:
        about["halves"] = list(halves)
    changed = {"tone": as_json(tone), "scale": "changed: see tone"}
    return {
        **metadata,
        **({} if tone == ToneOptions() else changed),
        "image": f"{metadata.get('image', 'stack')}, sharpened",
        "sharpened_from": source,
        "sharpen": {name: value for name, value in about.items() if value is not None},
    }


def write_sharpened(
    path: Path,
    stack: xr.Dataset,
    options: SharpenOptions,
    tone: ToneOptions,
    *,
    kind: str,
    source: str,
    metadata: dict[str, Any],
) -> bool:
    """Write the sharpened image of a stack, unless it is there already.

    Parameters
    ----------
    path
        The file to write.
    stack
        Result of the stack phase, computed.
    options
        How it is sharpened.
    tone
        What is done to its tone at the end.
    kind
        Kind of image.
    source
        Name of the stack.
    metadata
        Of the stack; they name its digest.

    Returns
    -------
    bool
        Whether the file was written.
    """
    pixels = stack["stack"].to_numpy()
    pair = halves_of(stack) if options.uses_halves else None
    about = sharpened_metadata(metadata, options, tone, source, HALVES if pair else ())
    if _holds(path, about):
        return False
    image = sharpen(pixels, options, halves=pair, **blur_of(metadata))
    return write_image(path, adjust_tone(image, tone), kind=kind, metadata=about)


def halves_of(stack: xr.Dataset) -> tuple[AnyArray, AnyArray] | None:
    """Take the half stacks, even and odd, if there are any and they show enough.

    Parameters
    ----------
    stack
        Result of the stack phase, computed.
    """
    if "half_stack" not in stack:
        return None
    even, odd = (stack["half_stack"].sel(half=half).to_numpy() for half in HALVES)
    missing = missing_in_halves((even, odd), stack["stack"].to_numpy())
    return None if missing > MAX_MISSING else (even, odd)


def missing_in_halves(halves: tuple[AnyArray, AnyArray], image: AnyArray) -> float:
    """Find where half stacks show nothing, as those of a few frames, though their stack does.

    Parameters
    ----------
    halves
        float32 (y, x[, channel]) each; NaN, or 0 in files of whole numbers, where nothing was
        added.
    image
        The stack, of the same shape.

    Returns
    -------
    Share of the stack's bright pixels, 0 to 1.
    """
    bright = image > BRIGHT * np.nanmax(image, initial=0.0)
    missing = ~(halves[0] > 0) | ~(halves[1] > 0)
    return float((bright & missing).sum() / max(int(bright.sum()), 1))


def blur_of(metadata: dict[str, Any]) -> dict[str, float]:
    """Find in the metadata of a stack what `sharpen` wants to know of its blur.

    Parameters
    ----------
    metadata
        Of the stack; those of other images say nothing.
    """
    options = metadata.get("options")
    of_stack = options.get("stack") if isinstance(options, dict) else None
    drizzle = of_stack.get("drizzle") if isinstance(of_stack, dict) else None
    found = {"seeing": metadata.get("seeing"), "scale": drizzle}
    return {name: float(v) for name, v in found.items() if isinstance(v, int | float) and v > 0}


def _holds(path: Path, metadata: dict[str, Any]) -> bool:
    """Return whether a file is complete, and an image with these metadata."""
    if not path.is_file():
        return False
    try:
        return read_image(path).metadata == parse_description(describe(metadata))
    except ReaderError:
        return False
