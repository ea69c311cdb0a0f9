"""How the samples of a SER file are stored, told from the picture.

The header states byte order and depth, but programs write either wrongly: the picture decides what
the header leaves open, and what it shows is reported. A few frames spread over the file are looked
at, of each at most 256 rows of 4096 pixels where arithmetic is needed: some milliseconds, and no
memory besides two frames.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from skry_dask.io.raw.ser_header import SerHeader
    from skry_dask.types import AnyArray

ByteOrder = Literal["little", "big"]

UINT16 = {"little": np.dtype("<u2"), "big": np.dtype(">u2")}
_SAMPLED_FRAMES = 5
_SAMPLED_ROWS = 256
_SAMPLED_COLUMNS = 4096


def stored_order(
    header: SerHeader,
    n_frames: int,
    frame: Callable[[int], AnyArray],
    byte_order: ByteOrder | None,
    problems: list[str],
) -> tuple[ByteOrder, dict[str, int]]:
    """Find the byte order of 16-bit samples, and which of their bits are used.

    Parameters
    ----------
    header
        The file's header.
    n_frames
        Number of complete frames, at least 1.
    frame
        Gives frame k: uint16 (y, x, channel), bytes as they are in the file.
    byte_order
        What the user says; None leaves it to header and picture.
    problems
        What is wrong is appended, one sentence each.

    Returns
    -------
    The byte order, and what the frames looked at show: ``used_bits`` (the highest bit that is set)
    and ``trailing_zero_bits`` (the low bits that never are). Empty where all of them are black.
    """
    bright, bits = _look_at(n_frames, frame)
    if byte_order is None:
        byte_order = _decide(header, bright, problems)
    used = int.from_bytes(bits.to_bytes(2, sys.byteorder), byte_order)
    if not used:
        return byte_order, {}
    if used.bit_length() > header.bits:
        problems.append(
            f"The header states {header.bits} bits, but samples reach {used.bit_length()}: "
            f"brightness is scaled wrongly, unless --bits {used.bit_length()} is given."
        )
    lowest = used & -used
    return byte_order, {
        "used_bits": used.bit_length(),
        "trailing_zero_bits": lowest.bit_length() - 1,
    }


def _look_at(n_frames: int, frame: Callable[[int], AnyArray]) -> tuple[AnyArray, int]:
    """Return the brightest of a few frames, and all bits that are set in a sample of any of them.

    Bytes are as they are in the file; swapping them later gives the same bits as swapping first.
    """
    bright, most, bits = np.empty(0, np.uint16), -1, 0
    for number in np.unique(np.linspace(0, n_frames - 1, _SAMPLED_FRAMES).astype(int)):
        image = frame(int(number))
        bits |= int(np.bitwise_or.reduce(image, axis=None))
        # The sum of all bytes says "bright" without knowing their order.
        light = int(image.view(np.uint8).sum(dtype=np.uint64))
        if light > most:
            bright, most = image, light
    return bright, bits


def _decide(header: SerHeader, bright: AnyArray, problems: list[str]) -> ByteOrder:
    """Tell from the picture how samples are stored, where the flag is not 0.

    The specification says that 1 means little-endian. Nearly every program writes little-endian
    samples with 0, and some took the field for "is big-endian" and write 1 with big-endian ones. So
    0 is clear, and 1 is decided by the picture: with its bytes swapped a picture is noise.
    """
    if header.little_endian == 0:
        return "little"
    every = max(1, len(bright) // _SAMPLED_ROWS)
    left = max(0, (bright.shape[1] - _SAMPLED_COLUMNS) // 2)
    sample = np.ascontiguousarray(bright[::every, left : left + _SAMPLED_COLUMNS])
    little, big = (_roughness(sample.view(UINT16[order])) for order in ("little", "big"))
    # Where one byte of all samples is zero, either order gives the same picture.
    both_used = bool(sample.view(np.uint8).reshape(-1, 2).any(axis=0).all())
    chosen: ByteOrder = "big" if big < little and both_used else "little"
    problems.append(
        f"The header's byte order flag is {header.little_endian}, which programs use for either "
        f"order; {chosen}-endian gives the smoother picture and is used."
    )
    return chosen


def _roughness(sample: AnyArray) -> float:
    """Sum differences between pixels of a row, (y, x, channel), that have the same colour.

    In a mosaic, whether the header tells or not, that is every other pixel.
    """
    step = 2 if sample.shape[1] > 2 else 1
    values = sample.astype(np.int32)
    return float(np.abs(values[:, step:] - values[:, :-step]).sum(dtype=np.float64))
