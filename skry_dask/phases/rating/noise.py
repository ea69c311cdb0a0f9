"""Noise of an image, estimated from the image itself.

A mask suppresses structure, and the median absolute response gives the standard deviation of white
noise (J. Immerkaer, "Fast noise variance estimation", Computer Vision and Image Understanding
64(2), 1996, 300-302, which takes the mean; the median ignores the structure that is left).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.frame.box_means import box_means
from skry_dask.kernels.frame.noise import noise_response

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Float32Array, FloatArray

NORMAL_MEDIAN = 0.6745
"""Median absolute value of a normal distribution whose standard deviation is 1."""

MIN_SAMPLES = 2**14
"""Least number of pixels from which the noise of a frame is estimated: to 2 %, in 1 ms instead of
20 ms for all pixels of a large frame."""

MOSAIC_RATIO = 0.4
"""A frame is raw colour where pixels two apart differ by less than this fraction of the difference
of neighbours."""


def noise_sigma(image: Float32Array) -> float:
    """Estimate the standard deviation of white noise from all pixels of an image.

    Parameters
    ----------
    image
        float32 (y, x), in any unit.

    Returns
    -------
    Standard deviation in the image's unit; 0 for an image narrower than 3 px.
    """
    inner = noise_response(image, 1)[1:-1, 1:-1]
    return float(np.median(np.abs(inner))) / NORMAL_MEDIAN if inner.size else 0.0


def noise_variance(frame: AnyArray) -> float:
    """Estimate the variance of white noise from a sample of a frame's pixels.

    Parameters
    ----------
    frame
        uint8, uint16 or float32 (y, x); it may be raw colour.

    Returns
    -------
    Variance, grey levels squared.
    """
    return _variance(_frame_response(frame))


def local_noise_variance(frame: AnyArray, size: int) -> FloatArray:
    """Estimate the variance of white noise around each pixel, at least that of the whole frame.

    Photon noise grows with the light, so a planet has more noise than the sky around it, and
    overexposed pixels have none.

    Parameters
    ----------
    frame
        uint8, uint16 or float32 (y, x); it may be raw colour.
    size
        Side of the square over which the noise is averaged, px.

    Returns
    -------
    Float (y, x), grey levels squared.
    """
    response = _frame_response(frame)
    return np.maximum(box_means(response * response, size), _variance(response))


def _frame_response(frame: AnyArray) -> Float32Array:
    """Suppress structure, and the mosaic of raw colour frames that claim to be monochrome.

    In a mosaic neighbours differ by their colours, and every second pixel has the same colour.
    """
    responses = [noise_response(frame, step) for step in (1, 2)]
    near, far = (_sampled_median(response) for response in responses)
    return responses[1 if far < MOSAIC_RATIO * near else 0]


def _variance(response: Float32Array) -> float:
    inner = response[1:-1, 1:-1]
    return (_sampled_median(inner) / NORMAL_MEDIAN) ** 2 if inner.size else 0.0


def _sampled_median(response: Float32Array) -> float:
    """Take the median absolute value of evenly spaced samples."""
    # An odd step visits all colours of a mosaic.
    step = 2 * int((response.size / MIN_SAMPLES) ** 0.5 / 2) + 1
    return float(np.median(np.abs(response[::step, ::step])))
