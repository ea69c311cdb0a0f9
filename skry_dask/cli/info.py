"""What is in a file, for people: ``skry info``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skry_dask.capture.lazy_frames import bits_in_use
from skry_dask.capture.source import resolve
from skry_dask.options import Cfa

if TYPE_CHECKING:
    from skry_dask.capture.inputs import Input
    from skry_dask.options import ReadOptions


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
    resolved = resolve(source, read)
    n_frames, shape, dtype, ns, _ = resolved.header
    time = None if ns is None else ns.astype("datetime64[ns]")
    attrs, used = resolved.attrs, 0
    if resolved.random_access:
        capture = resolved.open().capture
        attrs = dict(capture.attrs)
        used = bits_in_use(capture["frames"]) if dtype == "uint16" and n_frames else 0
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
