"""Byte order and used bits of the samples of a SER file, found from its frames.

The header states byte order and depth, but programs write both wrongly. Frames decide the byte
order where the header is ambiguous, and a depth that does not agree with them is reported.

Five frames spread over the file are examined, at most 256 rows of 4096 pixels of them for the byte
order. That takes some milliseconds, and the memory of two frames.
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
_N_EXAMINED_FRAMES = 5
_MAX_ROWS = 256
_MAX_COLUMNS = 4096
# Ratios of roughness: noise over the full range has 1. Swapped pictures have 50 to 300, or 5 at
# a signal-to-noise ratio of 10, but then as much as if pixels were shuffled.
_SMOOTHER, _FAR_SMOOTHER, _NOISE_SHARE = 3, 16, 0.8
# Of fewer pixels, either order can be the smoother one by chance.
_MIN_PIXELS = 512


def detect_byte_order(
    header: SerHeader,
    n_frames: int,
    read_frame: Callable[[int], AnyArray],
    byte_order: ByteOrder | None,
    problems: list[str],
) -> tuple[ByteOrder, dict[str, int]]:
    """Find the byte order of 16-bit samples, and which of their bits are used.

    Parameters
    ----------
    header
        Header of the file.
    n_frames
        Number of complete frames, at least 1.
    read_frame
        Returns a frame by its number: uint16 (y, x, channel), bytes as they are stored.
    byte_order
        Byte order that the user states; None to detect it.
    problems
        What is wrong with the header is appended, one sentence each.

    Returns
    -------
    byte_order
        ``"little"`` or ``"big"``.
    used_bits
        ``used_bits``, the number of the highest bit that is set in an examined frame, and
        ``trailing_zero_bits``, the number of low bits that never are; empty if all of them are
        black.
    """
    brightest, stored_bits = _examine_frames(n_frames, read_frame)
    if byte_order is None:
        byte_order = _choose_byte_order(header, brightest, problems)
    bits = int.from_bytes(stored_bits.to_bytes(2, sys.byteorder), byte_order)
    if not bits:
        return byte_order, {}
    if bits.bit_length() > header.bits:
        problems.append(
            f"The header states {header.bits} bits, but samples reach {bits.bit_length()}: "
            f"brightness is scaled wrongly, unless --bits {bits.bit_length()} is given."
        )
    lowest = bits & -bits
    return byte_order, {
        "used_bits": bits.bit_length(),
        "trailing_zero_bits": lowest.bit_length() - 1,
    }


def _examine_frames(n_frames: int, read_frame: Callable[[int], AnyArray]) -> tuple[AnyArray, int]:
    """Return the brightest of a few frames, and the bits that are set in any sample of them.

    Bytes are as they are stored; swapping them later gives the same bits as swapping them first.
    """
    brightest, max_brightness, bits = np.empty(0, np.uint16), -1, 0
    for number in np.unique(np.linspace(0, n_frames - 1, _N_EXAMINED_FRAMES).astype(int)):
        frame = read_frame(int(number))
        bits |= int(np.bitwise_or.reduce(frame, axis=None))
        # The sum of all bytes measures brightness whatever their order is.
        brightness = int(frame.view(np.uint8).sum(dtype=np.uint64))
        if brightness > max_brightness:
            brightest, max_brightness = frame, brightness
    return brightest, bits


def _choose_byte_order(header: SerHeader, frame: AnyArray, problems: list[str]) -> ByteOrder:
    """Return the byte order that the flag states or, where that is doubtful, the picture shows.

    According to the specification, 1 means little-endian. Nearly every program writes little-endian
    samples with 0, and some took the field for "is big-endian" and write 1 with big-endian samples.
    With its bytes swapped, a picture is noise: for 1 the smoother order is right. For 0 big-endian
    is, if it is far smoother, or if it is smoother and little-endian pixels have nothing to do with
    their neighbours.
    """
    row_step = max(1, len(frame) // _MAX_ROWS)
    left = max(0, (frame.shape[1] - _MAX_COLUMNS) // 2)
    sample = np.ascontiguousarray(frame[::row_step, left : left + _MAX_COLUMNS])
    little, big = (_roughness(sample.view(UINT16[order])) for order in ("little", "big"))
    # If one byte of all samples is zero, both orders give the same picture.
    uses_both_bytes = bool(sample.view(np.uint8).reshape(-1, 2).any(axis=0).all())
    if header.little_endian == 0:
        pixels = sample.view(UINT16["little"])
        is_noise = little > _NOISE_SHARE * _roughness(_with_strangers(pixels))
        is_big = big < little / (_SMOOTHER if is_noise else _FAR_SMOOTHER)
        if is_big and uses_both_bytes and pixels.size >= _MIN_PIXELS:
            problems.append(
                "The header's byte order flag is 0, little-endian in most files; big-endian gives "
                "by far the smoother picture and is used (--byte-order overrules that)."
            )
            return "big"
        return "little"
    chosen: ByteOrder = "big" if big < little and uses_both_bytes else "little"
    problems.append(
        f"The header's byte order flag is {header.little_endian}, which programs use for either "
        f"order; {chosen}-endian gives the smoother picture and is used."
    )
    return chosen


def _with_strangers(sample: AnyArray) -> AnyArray:
    """Exchange every other pair of columns of (y, x, channel) by pixels from far away."""
    mixed = sample.copy()
    far = np.roll(sample, (len(sample) // 2, sample.shape[1] // 2 // 4 * 4), axis=(0, 1))
    for first in (2, 3):
        mixed[:, first::4] = far[:, first::4]
    return mixed


def _roughness(sample: AnyArray) -> float:
    """Sum the absolute differences between pixels of a row (y, x, channel) of the same colour.

    These are two pixels apart, as in raw colour, which the header does not always state.
    """
    step = 2 if sample.shape[1] > 2 else 1
    values = sample.astype(np.int32)
    return float(np.abs(values[:, step:] - values[:, :-step]).sum(dtype=np.float64))
