"""Calibration of single frames: dark subtracted, multiplied by the gain, pixels replaced.

Everything is an integer, so that a frame has the same bits on any machine. The dark has as many
fractional bits as the calibrated frame; the gain has 12, which is finer than any noise.

Cost, on one core, 840 x 612 px: `calibrate_frame` 0.3 ns a pixel (0.7 ns in lanes of 64 bits),
`replace_bad_pixels` 20 us and 0.1 us for each bad pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import kernel
from skry_dask.kernels.compilation.signatures import SAMPLES

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Frames, IntArray

FLAT_GAIN_BITS = 12
"""A gain of 1 is ``2**FLAT_GAIN_BITS``."""

N_NEIGHBOURS = 8

FILL_BITS = 12
"""The weights of the sources of a filled pixel add up to ``2**FILL_BITS``."""


def calibrate_frame(
    frame: Frames, dark: AnyArray, gain: AnyArray, shift: int, black: int
) -> Frames:
    """Subtract the dark from a frame and multiply it by the gain.

    The result is exactly ``clip(((((frame << shift) - dark) * gain + 2**11) >> 12) + black, 0,
    65535)``.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x) or (y, x, 3).
    dark
        int32, of the frame's shape, in ``2**-shift`` grey levels, within +- 2**26.
    gain
        int32, of the frame's shape, 0 to 2**15 (a gain of 8).
    shift
        Number of fractional bits of the result, 0 to 10.
    black
        Value of a pixel without light in the result, in ``2**-shift`` grey levels, 0 to 65535.
        Noise below the dark is kept above 0.

    Returns
    -------
    uint16, of the frame's shape, in ``2**-shift`` grey levels; newly allocated.
    """
    out = np.empty(frame.shape, np.uint16)
    arrays = [as_argument(a).reshape(-1) for a in (frame, dark, gain)]
    _calibrate_frame(*arrays, np.int32(shift), np.int32(black), out.reshape(-1))
    return out


@kernel("S[::1], i4[::1], i4[::1], i4, i4, u2[::1]", S=SAMPLES, is_optional=True)
def _calibrate_frame(frame, dark, gain, shift, black, out):  # type: ignore[no-untyped-def]
    word = np.int32
    fraction, half = word((1 << FLAT_GAIN_BITS) - 1), word(1 << (FLAT_GAIN_BITS - 1))
    bits = word(FLAT_GAIN_BITS)
    white = word(65535)
    for i in range(out.shape[0]):
        light = word(word(word(frame[i]) << shift) - dark[i])
        # The product may have 42 bits, but lanes of 32 bits are faster. The light above and below
        # the gain's binary point is multiplied separately; the sum is the same.
        above = word(word(light >> bits) * gain[i])
        below = word(word(word(light & fraction) * gain[i] + half) >> bits)
        value = word(above + below + black)
        out[i] = np.uint16(min(max(value, word(0)), white))


def replace_bad_pixels(frame: AnyArray, bad: IntArray, step: int) -> None:
    """Replace bad pixels by the median of their neighbours.

    Neighbours are the up to 8 pixels at the distance ``step`` along rows, columns and diagonals, in
    the same channel, that lie inside the frame and are not bad themselves. The median of an even
    number of values is the mean of the two in the middle, rounded down. A pixel without neighbours
    stays as it is.

    Parameters
    ----------
    frame
        Integers (y, x) or (y, x, channel), changed in place.
    bad
        int64 (pixel, 2): y, x; for frames with channels (pixel, 3): y, x, channel.
    step
        2 in a colour filter array, whose pixels of the same colour lie two apart; else 1.
    """
    if not len(bad):
        return
    if frame.ndim == 2:
        frame = frame[..., None]
        bad = np.concatenate([bad, np.zeros((len(bad), 1), np.int64)], axis=1)
    # Fresh zeros cost nothing where they are not touched.
    is_bad = np.zeros(frame.shape, np.bool_)
    values = np.empty(N_NEIGHBOURS, np.int64)
    contiguous = as_argument(frame)
    _replace_bad_pixels(contiguous, as_argument(bad), step, is_bad, values)
    if contiguous is not frame:
        frame[...] = contiguous


@kernel(
    "S[:, :, ::1], i8[:, ::1], i8, b1[:, :, ::1], i8[::1]", S=("u1", "u2", "i8"), is_optional=True
)
def _replace_bad_pixels(frame, bad, step, is_bad, values):  # type: ignore[no-untyped-def]
    height, width, _ = frame.shape
    for i in range(len(bad)):
        is_bad[bad[i, 0], bad[i, 1], bad[i, 2]] = True
    for i in range(len(bad)):
        y, x, channel = bad[i, 0], bad[i, 1], bad[i, 2]
        n = 0
        for j in range(y - step, y + step + 1, step):
            for k in range(x - step, x + step + 1, step):
                if 0 <= j < height and 0 <= k < width and not is_bad[j, k, channel]:
                    # Insert the value among the sorted ones.
                    value = np.int64(frame[j, k, channel])
                    at = n
                    while at > 0 and values[at - 1] > value:
                        values[at] = values[at - 1]
                        at -= 1
                    values[at] = value
                    n += 1
        if n:
            frame[y, x, channel] = (values[(n - 1) // 2] + values[n // 2]) >> 1


def fill_pixels(frame: AnyArray, pixels: IntArray, sources: IntArray, weights: IntArray) -> None:
    """Fill pixels with weighted means of others, rounded down after adding a half.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x) or (y, x, channel), changed in place.
    pixels
        int64 (pixel, 2), y and x.
    sources
        int64 (pixel, source, 2), y and x of pixels that are not filled.
    weights
        int64 (pixel, source), which add up to ``2**FILL_BITS``.
    """
    contiguous = as_argument(frame[..., None] if frame.ndim == 2 else frame)
    _fill_pixels(contiguous, *(as_argument(a) for a in (pixels, sources, weights)))
    if not np.shares_memory(contiguous, frame):
        frame[...] = contiguous.reshape(frame.shape)


@kernel("S[:, :, ::1], i8[:, ::1], i8[:, :, ::1], i8[:, ::1]", S=SAMPLES, is_optional=True)
def _fill_pixels(frame, pixels, sources, weights):  # type: ignore[no-untyped-def]
    half = np.int64(1 << (FILL_BITS - 1))
    for i in range(len(pixels)):
        for channel in range(frame.shape[2]):
            total = half
            for j in range(weights.shape[1]):
                value = frame[sources[i, j, 0], sources[i, j, 1], channel]
                total += weights[i, j] * np.int64(value)
            frame[pixels[i, 0], pixels[i, 1], channel] = total >> FILL_BITS
