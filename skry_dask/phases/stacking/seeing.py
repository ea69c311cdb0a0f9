"""Seeing, from how much frames have in common with the stack.

Air changes what each frame shows of fine detail, and of coarse detail hardly anything. So of the
power of a spatial frequency in frames, the share falls that they have in common: from 1 where
detail is coarse to nearly 0, at frequencies that are the higher the larger r0 is. The scene cancels
out (spectral ratio: von der Lühe, J. Opt. Soc. Am. A 1, 1984, 510). So does the blur of the stack,
as the frames are compared with it, at places where it shows most detail, after each place's
displacement has been undone.

Where the share is 1/2, D/r0 is `SEEING` over the frequency: found from captures simulated by wave
optics, for which it is right to 5 %, with 2.5 px for each lambda / D.

Cost: 3 transforms of 96 x 96 px for each place and frame: 10 ms a frame. Memory: a frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import dask
import dask.array as da
import numpy as np
from scipy import fft, ndimage

from skry_dask.graph.frame_passes import FrameSource
from skry_dask.graph.frame_tables import call_each
from skry_dask.graph.row_tasks import only_chunk

if TYPE_CHECKING:
    from skry_dask.capture.calibration.develop import Developer
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, Frames, IntArray

N_FRAMES = 32
"""Number of frames that are compared with the stack."""

SIDE = 96
"""Side of the places, px."""

N_PLACES = 24
"""Greatest number of places, those that show most detail."""

N_RINGS = 48
"""Number of rings of spatial frequency, up to half a cycle per px."""

RADIUS = 8
"""Greatest displacement of a place from where its frame was aligned, px."""

COARSE = slice(1, 3)
"""Rings of which frames have everything in common."""

SEEING = 0.505
"""D/r0 times the frequency at which half of the power is common, cycles/px."""

N_LEAST = 100
"""Least number of places, over all frames, from which the seeing is measured."""


class Places(NamedTuple):
    """Places of the stack that are looked at in frames.

    Parameters
    ----------
    origins
        int64 (place, axis), first pixels, px from the first pixel of the stack.
    spectra
        complex64 (place, SIDE, SIDE // 2 + 1).
    """

    origins: AnyArray
    spectra: AnyArray


def measure_seeing(
    image: da.Array,
    scale: float,
    frames: da.Array,
    first: IntArray,
    stacked: BoolArray,
    developer: Developer,
) -> da.Array:
    """Measure the seeing, lazily.

    Parameters
    ----------
    image
        float32 (plane, y, x), the stack.
    scale
        Number of pixels of the stack per pixel of the camera.
    frames
        uint8 or uint16 (frame, y, x[, channel]).
    first
        int64 (frame, axis), where the first pixel of the stack lies in frames, px.
    stacked
        bool (frame), whether frames are in the stack.
    developer
        Of the frames.

    Returns
    -------
    float64 (), lazy: D/r0; NaN where frames show too little.
    """
    candidates = np.flatnonzero(stacked)
    n = min(N_FRAMES, len(candidates))
    chosen = candidates[np.linspace(0, len(candidates) - 1, n).round().astype(np.int64)]
    whole = dask.delayed(_find_places)(only_chunk(image.rechunk(-1)), scale)
    source = dask.delayed(FrameSource(frames), traverse=False)
    items = [(int(i), first[i]) for i in chosen]
    shared = [source, dask.delayed(developer, traverse=False), whole]
    powers = call_each(_compare_one, shared, items)
    return da.from_delayed(dask.delayed(seeing_of)(powers), (), np.float64)


def _compare_one(
    source: FrameSource, developer: Developer, places: Places, index: int, first: AnyArray
) -> FloatArray:
    frame = developer.grey(source[index : index + 1])[0]
    return compare_with_places(frame, places, first)


def find_places(image: Float32Array) -> Places:
    """Find the places of a stack that show most detail.

    Parameters
    ----------
    image
        float32 (y, x); NaN where there is no picture.
    """
    starts = [range(RADIUS, size - SIDE - RADIUS + 1, SIDE * 2 // 3) for size in image.shape]
    origins = np.array([(y, x) for y in starts[0] for x in starts[1]], np.int64).reshape(-1, 2)
    windows = [image[y : y + SIDE, x : x + SIDE] for y, x in origins]
    whole = [i for i, window in enumerate(windows) if np.isfinite(window).all()]
    spectra = [_spectrum(windows[i]) for i in whole]
    detail = [float(np.square(np.abs(s * _FOUND_BY)).sum()) for s in spectra]
    best = sorted(np.argsort([-d for d in detail], kind="stable")[:N_PLACES])
    shape = (len(best), SIDE, SIDE // 2 + 1)
    chosen = np.array([spectra[i] for i in best], np.complex64).reshape(shape)
    return Places(origins[[whole[i] for i in best]].reshape(-1, 2), chosen)


def _find_places(planes: Float32Array, scale: float) -> Places:
    image = planes.mean(axis=0, dtype=np.float32)
    if scale != 1:
        shape = tuple(int((size - 1) / scale) + 1 for size in image.shape)
        matrix = np.full(image.ndim, scale)
        image = ndimage.affine_transform(image, matrix, output_shape=shape, order=1)
    return find_places(image)


def compare_with_places(frame: Frames, places: Places, first: AnyArray) -> FloatArray:
    """Compare a frame with the stack.

    Parameters
    ----------
    frame
        (y, x), grey.
    places
        Of the stack.
    first
        int64 (axis), where the first pixel of the stack lies in the frame, px.

    Returns
    -------
    float64 (4, ring): power of the places of the stack, of the frame, and what they have in common,
    added up over places; the number of places, and the power of the frame's noise in each ring.
    """
    sums = np.zeros((4, N_RINGS + 1))
    for corner, of_stack in zip(places.origins + first, places.spectra, strict=True):
        y, x = corner
        if y < 0 or x < 0 or y + SIDE > frame.shape[0] or x + SIDE > frame.shape[1]:
            continue
        spectrum = _spectrum(frame[y : y + SIDE, x : x + SIDE].astype(np.float32))
        cross = spectrum * of_stack.conj()
        shift = _displacement(fft.irfft2(cross * _FOUND_BY, (SIDE, SIDE)))
        if np.abs(shift).max() > RADIUS:
            continue
        there = np.exp(2j * np.pi * (_FY * shift[0] + _FX * shift[1]))
        sums[0] += _by_ring(np.square(np.abs(of_stack)))
        sums[1] += _by_ring(np.square(np.abs(spectrum)))
        sums[2] += _by_ring((cross * there).real)
        sums[3] += 1
    return sums


def seeing_of(compared: list[FloatArray]) -> FloatArray:
    """Find the seeing from what `compare_with_places` gives for each frame: D/r0, or NaN."""
    of_stack, of_frames, common, n = np.sum(compared, axis=0)
    if n[0] < N_LEAST:
        return np.array(np.nan)
    noise = of_frames[-1] / _MODES[-1]  # beyond the finest detail that telescopes pass
    detail = np.maximum(of_frames - noise * _MODES, 1e-9 * of_frames)[:-1]
    share = np.square(common[:-1]) / (of_stack[:-1] * detail)
    share /= share[COARSE].mean()
    below = np.flatnonzero(share < 0.5)
    below = below[below >= COARSE.stop]
    if not len(below) or not np.isfinite(share).all():
        return np.array(np.nan)
    i = int(below[0])
    part = (share[i - 1] - 0.5) / (share[i - 1] - share[i])
    return np.array(SEEING / ((i - 0.5 + part) / (2 * N_RINGS)))


def _displacement(correlation: Float32Array) -> FloatArray:
    """Find the peak of a correlation, to a fraction of a pixel by parabolas (y, x)."""
    peak = np.unravel_index(np.argmax(correlation), correlation.shape)
    shift = np.zeros(2)
    for axis in (0, 1):
        before, at, after = (
            correlation[tuple((p + d * (k == axis)) % SIDE for k, p in enumerate(peak))]
            for d in (-1, 0, 1)
        )
        curve = before - 2 * at + after
        part = 0.5 * (before - after) / curve if curve < 0 else 0.0
        shift[axis] = (peak[axis] + SIDE // 2) % SIDE - SIDE // 2 + part
    return shift


def _spectrum(window: Float32Array) -> AnyArray:
    mean = np.float32((window * _TAPER).sum(dtype=np.float64) / _TAPER.sum(dtype=np.float64))
    return fft.rfft2((window - mean) * _TAPER)


def _by_ring(power: AnyArray) -> FloatArray:
    sums = np.bincount(_RING, (power * _COLUMNS).ravel(), N_RINGS + 1)
    return sums.astype(np.float64)


_FY = np.fft.fftfreq(SIDE)[:, None]
_FX = np.fft.rfftfreq(SIDE)[None]
_RADIAL = np.hypot(_FY, _FX)
_RING = np.minimum((_RADIAL * 2 * N_RINGS).astype(np.int64), N_RINGS).ravel()
# Columns between the first and the last stand for two of the whole spectrum.
_COLUMNS = np.where((_FX == 0) | (_FX == 0.5), 1.0, 2.0)
_MODES = _by_ring(np.ones(_RADIAL.shape))
_TAPER = np.outer(np.hanning(SIDE), np.hanning(SIDE)).astype(np.float32)
# What shows displacement: neither the brightness of the whole place nor noise.
_FOUND_BY = (np.exp(-np.square(_RADIAL / 0.12)) * (_RADIAL > 0.015)).astype(np.float32)
