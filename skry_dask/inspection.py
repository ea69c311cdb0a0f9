"""What is in a file, for people: ``skry info``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.capture import open_lazily
from skry_dask.decoding import as_read, attributes, reader_of, store_of
from skry_dask.io.reader import RawReader
from skry_dask.options import Cfa, ReadOptions

if TYPE_CHECKING:
    from skry_dask.decoding import Input
    from skry_dask.types import AnyArray


def inspect_capture(source: Input, read: ReadOptions | None = None) -> dict[str, Any]:
    """Tell what is in a file without decoding all of it.

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
        16-bit samples that can be read at once ``used_bits`` and ``trailing_zero_bits`` of a few
        frames; ``first_time`` and ``last_time`` where known, what else the file says, and
        ``problems``.

    Raises
    ------
    ReaderError
        If the file cannot be read as a capture.
    """
    read = read or ReadOptions()
    sample: AnyArray | None = None
    place = store_of(source)
    reader = None if place is not None else reader_of(source, read)
    n_frames: int | None
    if reader is None or isinstance(reader, RawReader):
        capture = open_lazily(source, read)
        frames = capture["frames"]
        n_frames, shape, dtype = frames.shape[0], frames.shape[1:], frames.dtype.name
        attrs = dict(capture.attrs)
        time = capture["time"].to_numpy() if "time" in capture.coords else None
        if dtype == "uint16":
            few = np.unique(np.linspace(0, n_frames - 1, SAMPLED_FRAMES).astype(int))
            sample = frames.isel(frame=few).to_numpy()
    else:
        info = reader.info
        n_frames, shape, dtype = info.n_frames, info.frame_shape, info.dtype
        attrs = as_read(attributes(reader), shape, dtype, read)
        time = None if info.time is None else info.time.astype("datetime64[ns]")
    found: dict[str, Any] = {"source": attrs.pop("source"), "format": attrs.pop("format")}
    found |= {"frames": n_frames, "width": shape[1], "height": shape[0]}
    attrs.pop("digest")
    cfa = attrs.pop("cfa", Cfa.NONE.value)
    raw = "mono" if cfa == Cfa.NONE else f"raw {cfa}"
    found |= {"colour": "RGB" if len(shape) > 2 else raw, "dtype": dtype}
    found |= {"bits": attrs.pop("bits")}
    if sample is not None:
        found |= _depth(sample)
    if time is not None and len(time):
        found |= {"first_time": str(time[0]), "last_time": str(time[-1])}
    return found | {k: v for k, v in attrs.items() if k not in found}


SAMPLED_FRAMES = 8
"""So many frames, evenly spread, tell which bits samples use."""


def _depth(sample: AnyArray) -> dict[str, int]:
    """Find which bits samples use: 12 bits in the lower or in the upper part of 16, say."""
    used = int(np.bitwise_or.reduce(sample, axis=None))
    zeros = (used & -used).bit_length() - 1 if used else 0
    return {"used_bits": used.bit_length() - zeros, "trailing_zero_bits": zeros}
