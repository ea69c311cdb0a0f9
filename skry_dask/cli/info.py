"""``skry info``: what is in a file."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.capture.calibration.standing import mask_standing
from skry_dask.capture.equal_channels import describe_equal_channels
from skry_dask.capture.hidden_mosaic import describe_mosaic, find_mosaic
from skry_dask.capture.lazy_frames import bits_in_use
from skry_dask.capture.samples import N_FRAMES, sampled_numbers
from skry_dask.capture.source import EncodedSource, resolve
from skry_dask.errors import SkryError
from skry_dask.options import Cfa

if TYPE_CHECKING:
    from skry_dask.capture.inputs import Input
    from skry_dask.options import ReadOptions
    from skry_dask.types import AnyArray

OLDEST_DATE = np.datetime64("1980-01-01")
"""Times before it are no dates, but count from the first frame, as in most compressed videos."""


def inspect_capture(source: Input, read: ReadOptions | None = None) -> dict[str, Any]:
    """Describe a capture without decoding all of it.

    Parameters
    ----------
    source
        A video, images or a store.
    read
        How it is read; see `ReadOptions`.

    Returns
    -------
    dict, JSON-compatible
        ``source``, ``format``, ``frames`` (for compressed video what its header claims, or None),
        ``width``, ``height``, ``colour`` ("mono", "RGB" or "raw RGGB"), ``dtype``, ``bits``; for
        16-bit samples that are read in place what `describe_depth` returns, from a few frames;
        ``first_time`` and ``last_time`` where they are known, ``duration`` in seconds where only
        times since the first frame are; other attributes of the file; and ``problems``, to which
        belongs what stands still in frames that are read in place, see `mask_standing`, and raw
        colour or equal channels, which a few frames show.

    Raises
    ------
    ReaderError
        If the file cannot be read as a capture.
    """
    resolved = resolve(source, read)
    header = resolved.header
    n_frames, shape, dtype = header.n_frames, header.frame_shape, header.dtype
    time = None if header.time is None else header.time.astype("datetime64[ns]")
    attrs, used = resolved.attrs, 0
    if resolved.random_access:
        capture = mask_standing(resolved.open().capture)
        attrs = dict(capture.attrs)
        used = bits_in_use(capture["frames"]) if dtype == "uint16" and n_frames else 0
    elif isinstance(resolved, EncodedSource):
        attrs |= {"problems": [*attrs["problems"], *_problems_of_frames(resolved)]}
    found: dict[str, Any] = {"source": attrs.pop("source"), "format": attrs.pop("format")}
    found |= {"frames": n_frames, "width": shape[1], "height": shape[0]}
    attrs.pop("digest")
    cfa = attrs.pop("cfa", Cfa.NONE.value)
    colour = "mono" if cfa == Cfa.NONE else f"raw {cfa}"
    found |= {"colour": "RGB" if len(shape) > 2 else colour, "dtype": dtype}
    found |= {"bits": attrs.pop("bits")}
    if used:
        found |= describe_depth(used, found["bits"])
    if time is not None and len(time):
        found |= _described_times(time)
    return found | {name: value for name, value in attrs.items() if name not in found}


def _problems_of_frames(source: EncodedSource) -> list[str]:
    """Tell whether frames that have to be decoded are raw colour or have equal channels.

    Of images, a few are decoded; of a video, the first ones.
    """
    reader, read = source.reader, source.read
    n_frames = reader.info.n_frames or 0
    try:
        if reader.random_access and n_frames:
            decoded = [next(reader.decode(number)) for number in sampled_numbers(n_frames)]
        else:
            decoded = list(islice(reader.decode(), N_FRAMES))
    except (SkryError, StopIteration):  # told when the frames are needed
        return []
    images = [frame.image for frame in decoded if frame.image is not None]
    if not images or read.grey:
        return []
    if images[0].ndim == 2:
        known = read.cfa is not None or "cfa" in source.attrs
        patterns = None if known else find_mosaic(images)
        return [] if patterns is None else [describe_mosaic(patterns)]
    equal = describe_equal_channels(images)
    return [] if equal is None else [equal]


def _described_times(time: AnyArray) -> dict[str, Any]:
    """Describe the times of frames, datetime64[ns] (frame), which may count from the first one."""
    if time[-1] < OLDEST_DATE:
        return {"duration": round((time[-1] - time[0]) / np.timedelta64(1, "s"), 3)}
    return {"first_time": str(time[0]), "last_time": str(time[-1])}


def describe_depth(used: int, bits: int) -> dict[str, int | str]:
    """Describe which bits samples use, such as the lower or the upper 12 of 16.

    Parameters
    ----------
    used
        Bitwise or of all samples, above 0.
    bits
        Depth that is taken for full scale.

    Returns
    -------
    dict
        ``used_bits``, number of the highest bit that is set, from 1; ``trailing_zero_bits``, number
        of low bits that are never set; ``samples``, both in words.
    """
    highest, zeros = used.bit_length(), (used & -used).bit_length() - 1
    if highest < bits:
        words = f"{highest - zeros} of {bits} bits, right-aligned: --bits {highest} makes them "
        words += "full scale"
    elif zeros:
        words = f"{highest - zeros} of {bits} bits, left-aligned"
    else:
        words = f"all of {highest} bits"
    return {"used_bits": highest, "trailing_zero_bits": zeros, "samples": words}
