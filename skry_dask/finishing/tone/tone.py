"""Change white balance, saturation, stretch, tone curve and gamma of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skry_dask.errors import OptionsError
from skry_dask.graph.phase_inputs import check_image
from skry_dask.options.given import options_of
from skry_dask.options.tone import GREY_WORLD, ToneOptions

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Float32Array

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in grey (ITU-R BT.601)."""


def adjust_tone(image: Any, options: ToneOptions | None = None, **choices: Any) -> Any:
    """Change the tone of an image: see `ToneOptions` for what, and in which order.

    Parameters
    ----------
    image
        (y, x) or (y, x, channel), 1 = full scale; NumPy array or DataArray. NaN where there is no
        picture, which stays so.
    options
        By default nothing is changed; balance and saturation of a grey image never.
    **choices
        Options by name, such as ``gamma=1.4``. They win over ``options``.

    Returns
    -------
    float32, of the kind and shape of the image. Without stretch, curve and gamma, values outside
    0 to 1 stay; these three clip them.

    Raises
    ------
    OptionsError
        If an image without range is to be stretched.

    Notes
    -----
    The curve is a monotone cubic through its points (Fritsch & Carlson 1980, SIAM J. Numer. Anal.
    17, 238), so it has no waves between them.

    Examples
    --------
    >>> import numpy as np
    >>> import skry_dask as skry
    >>> ramp = np.linspace(0, 0.5, 6).reshape(2, 3)
    >>> float(skry.adjust_tone(ramp, stretch="0,100").max())
    1.0
    """
    options = options_of(ToneOptions, options, choices, "adjust_tone")
    check_image("adjust_tone", image)
    if isinstance(image, xr.DataArray):
        return image.copy(data=adjust_tone(image.to_numpy(), options))
    out = np.asarray(image, np.float32)
    if out.shape[2:] == LUMA.shape and (options.balance is not None or options.saturation != 1):
        out = _coloured(out, options)
    if options.stretch is not None:
        out = _stretched(out, options)
    if options.curve:
        from scipy.interpolate import PchipInterpolator

        inner = [point for point in options.curve if 0 < point[0] < 1]
        ends = {0.0: 0.0, 1.0: 1.0} | dict(options.curve)
        before, after = zip((0.0, ends[0.0]), *inner, (1.0, ends[1.0]), strict=True)
        out = PchipInterpolator(before, after)(out.clip(0, 1)).astype(np.float32)
    if options.gamma != 1:
        out = out.clip(0, 1) ** np.float32(1 / options.gamma)
    return out


def _coloured(image: AnyArray, options: ToneOptions) -> Float32Array:
    """Balance white, then change the saturation."""
    out = image
    if options.balance is not None:
        if options.balance == GREY_WORLD:
            means = np.nanmean(image, axis=(0, 1), dtype=np.float64)
            gains = means.mean() / np.maximum(means, np.finfo(np.float32).tiny)
        else:
            gains = np.array(options.gains)
        out = out * gains.astype(np.float32)
    grey = (out @ LUMA)[..., None]
    return (grey + (out - grey) * np.float32(options.saturation)).astype(np.float32)


def _stretched(image: AnyArray, options: ToneOptions) -> Float32Array:
    """Make two percentiles of brightness black and white; colours keep their ratios."""
    return stretched(image, *black_and_white(image, options))


def black_and_white(image: AnyArray, options: ToneOptions) -> tuple[float, float]:
    """Find the brightness that a stretch makes black, and the one that it makes white.

    Parameters
    ----------
    image
        (y, x) or (y, x, channel); NaN where there is no picture.
    options
        With ``stretch``.

    Raises
    ------
    OptionsError
        If they are the same.
    """
    grey = image if image.ndim < 3 else image.mean(axis=2)
    low, high = np.nanpercentile(grey, options.percentiles).tolist()
    if not low < high:
        raise OptionsError(
            f"stretch is {options.stretch!r}, but these percentiles have one brightness, {low:g}: "
            "give others"
        )
    return low, high


def stretched(image: AnyArray, black: float, white: float) -> Float32Array:
    """Stretch brightness so that black becomes 0 and white 1; what is beyond is clipped."""
    share = (image - np.float32(black)) / np.float32(white - black)
    return share.clip(0, 1).astype(np.float32)
