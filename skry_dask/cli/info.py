"""What is in a file, for people: ``skry info``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skry_dask.capture.open import bits_in_use, open_lazily
from skry_dask.capture.source import as_read, attributes, reader_of, store_of
from skry_dask.io.reader import RawReader
from skry_dask.options import Cfa, ReadOptions

if TYPE_CHECKING:
    from skry_dask.capture.source import Input


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
        16-bit samples that can be read at once ``used_bits``, ``trailing_zero_bits`` and
        ``samples`` (both in words), from a few frames; ``first_time`` and ``last_time`` where
        known, what else the file says, and ``problems``.

    Raises
    ------
    ReaderError
        If the file cannot be read as a capture.
    """
    read = read or ReadOptions()
    used = 0
    place = store_of(source)
    reader = None if place is not None else reader_of(source, read)
    n_frames: int | None
    if reader is None or isinstance(reader, RawReader):
        capture = open_lazily(source, read)
        frames = capture["frames"]
        n_frames, shape, dtype = frames.shape[0], frames.shape[1:], frames.dtype.name
        attrs = dict(capture.attrs)
        time = capture["time"].to_numpy() if "time" in capture.coords else None
        used = bits_in_use(frames) if dtype == "uint16" and n_frames else 0
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
    if used:
        found |= depth_in_words(used, found["bits"])
    if time is not None and len(time):
        found |= {"first_time": str(time[0]), "last_time": str(time[-1])}
    return found | {k: v for k, v in attrs.items() if k not in found}


def depth_in_words(used: int, bits: int) -> dict[str, int | str]:
    """Say which bits samples use: 12 bits in the lower or in the upper part of 16, say.

    Parameters
    ----------
    used
        All bits that are set in any sample, above 0.
    bits
        Depth that is taken for full scale.

    Returns
    -------
    ``used_bits``, the highest bit that is set; ``trailing_zero_bits``, how many low ones never are;
    and ``samples``, both in words.
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
