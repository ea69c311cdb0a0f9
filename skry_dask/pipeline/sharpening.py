"""Sharpening images in files: read, sharpen, write, with the provenance of the stack kept."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import OptionsError, SkryError, StoreError
from skry_dask.finishing.sharpening.sharpen import sharpen
from skry_dask.finishing.stacked_images import read_stack
from skry_dask.finishing.tone.tone import adjust_tone
from skry_dask.io.images.write import image_kind_for, write_image
from skry_dask.options.sharpening import SharpenMethod
from skry_dask.options.tone import ToneOptions
from skry_dask.pipeline.outputs import Outputs, software
from skry_dask.pipeline.sharpened import (
    HALVES,
    MAX_MISSING,
    blur_of,
    missing_in_halves,
    sharpened_metadata,
)
from skry_dask.pipeline.upload import to_write

if TYPE_CHECKING:
    from skry_dask.finishing.stacked_images import StackedImage
    from skry_dask.io.remote import Location
    from skry_dask.options.sharpening import SharpenOptions
    from skry_dask.types import Float32Array

CLIPPED = 0.001
"""Share of white pixels from which an image counts as clipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharpenedFile:
    """An image that was sharpened.

    Parameters
    ----------
    input, output
        Names of the files.
    method
        How it was sharpened.
    width, height
        Its size, px.
    halves
        Names of the half stacks that showed its noise, or empty.
    seconds
        Time that it took.
    notes
        What the user should know, one sentence each.
    """

    input: str
    output: str
    method: str
    width: int
    height: int
    halves: tuple[str, ...]
    seconds: float
    notes: tuple[str, ...]


def sharpen_file(
    source: Location,
    output: Location,
    options: SharpenOptions,
    *,
    halves: tuple[Location, Location] | None = None,
    output_format: str | None = None,
    tone: ToneOptions | None = None,
) -> SharpenedFile:
    """Sharpen the image in a file.

    Parameters
    ----------
    source
        TIFF, PNG, FITS, BMP or JPEG, with a single image.
    output
        The file to write.
    options
        How it is sharpened.
    halves
        Half stacks of even and odd frames; None: those beside the image, if there are any.
    output_format
        Kind of image; None for that of the suffix.
    tone
        What is done to brightness and colour at the end; None: nothing.

    Returns
    -------
    SharpenedFile
        What was done.

    Raises
    ------
    SkryError
        If a file cannot be read or written, the output is an input, or options do not fit.
    """
    began = time.perf_counter()
    Outputs(image=output, kind=output_format).check()
    given = halves is not None
    found = halves or halves_beside(source)
    for read in (source, *(found or ()), options.psf_file):
        if read is not None and _is_same(output, read):
            raise StoreError(f"{output} is an input: give another name with -o")
    image = read_stack(source)
    pixels = image.pixels
    notes = _problems(source, image)
    pair = None
    if found is not None:
        pair, problem = _read_halves(found, pixels, must=given)
        notes += [problem] if problem else []
    if pair is None and options.method is SharpenMethod.AUTO:
        hint = "" if found else "; skry stack --halves writes them"
        notes.append(
            f"{source.name} has no half stacks{' of use' if found else ''}: its noise is estimated "
            f"from its finest structure{hint}."
        )
    names = tuple(half.name for half in found) if found and pair else ()
    sharp = sharpen(pixels, options, halves=pair, **blur_of(image.metadata))
    about = {**image.metadata, "software": software()}
    tone = tone or ToneOptions()
    metadata = sharpened_metadata(about, options, tone, source.name, names)
    sharp = adjust_tone(sharp, tone)
    kind = output_format or image_kind_for(output)
    with to_write(output) as path:
        write_image(path, sharp, kind=kind, metadata=metadata)
    return SharpenedFile(
        input=str(source),
        output=str(output),
        method=options.method.value,
        width=pixels.shape[1],
        height=pixels.shape[0],
        halves=names,
        seconds=time.perf_counter() - began,
        notes=tuple(notes),
    )


def halves_beside(image: Location) -> tuple[Location, Location] | None:
    """Find the half stacks beside an image: moon-even.tif and moon-odd.tif beside moon.tif.

    Returns
    -------
    Even and odd, or None unless both are there.
    """
    even, odd = (image.with_name(f"{image.stem}-{half}{image.suffix}") for half in HALVES)
    return (even, odd) if _exists(even) and _exists(odd) else None


def _exists(place: Location) -> bool:
    if isinstance(place, Path):
        return place.is_file()
    try:
        return place.state() is not None
    except SkryError:
        return False


def _is_same(output: Location, other: Location | str) -> bool:
    """Return whether two names are one file."""
    if isinstance(output, Path) and isinstance(other, Path | str):
        other = Path(other)
        if output.exists() and other.exists():
            return output.samefile(other)
        return os.path.realpath(output) == os.path.realpath(other)
    return str(output) == str(other)


def _read_halves(
    places: tuple[Location, Location], pixels: Float32Array, *, must: bool
) -> tuple[tuple[Float32Array, Float32Array] | None, str | None]:
    """Read half stacks; those that were only found may be of no use, which is a note."""
    even, odd = (read_stack(place).pixels for place in places)
    if even.shape == odd.shape == pixels.shape:
        missing = missing_in_halves((even, odd), pixels)
        if missing <= MAX_MISSING:
            return (even, odd), None
        message = f"{places[0]} or {places[1]} shows nothing in {missing:.0%} of the image"
        remedy = "leave them out, or stack more frames"
    else:
        other = even if even.shape != pixels.shape else odd
        size, expected = (f"{shape[1]} x {shape[0]} px" for shape in (other.shape, pixels.shape))
        message = f"{places[0]} and {places[1]} are no half stacks of the image: "
        message, remedy = f"{message}{size}, not {expected}", "give those of this stack"
    if must:
        raise OptionsError(f"{message}: {remedy}")
    return None, f"{message}: they are not used."


def _problems(source: Location, image: StackedImage) -> list[str]:
    """Say what is wrong with an image for sharpening."""
    found = []
    finite = image.pixels[np.isfinite(image.pixels)]
    if image.has_8_bits:
        found.append(
            f"{source.name} has 8 bits: sharpening shows the steps between its grey levels; stack "
            "into 16 bits."
        )
    if not finite.size:
        return [*found, f"{source.name} has no pixel with a value."]
    if finite.min() == finite.max():
        return [*found, f"{source.name} has the same brightness everywhere: nothing is sharpened."]
    clipped = float((finite >= 1).mean())
    if clipped >= CLIPPED:
        found.append(
            f"{clipped:.1%} of the pixels are white: detail that is clipped cannot come back; "
            "expose less."
        )
    if "sharpen" in image.metadata:
        found.append(f"{source.name} was sharpened before: give the stack itself.")
    return found
