"""Sharpen an image, by the method that its options name.

Brightness and noise are measured first, from windows all over the image; then it is sharpened tile
by tile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import dask
import dask.array as da
import numpy as np
import xarray as xr

from skry_dask.errors import OptionsError
from skry_dask.finishing.sharpening.automatic import REACH as AUTO_REACH
from skry_dask.finishing.sharpening.automatic import measure_blur, restore
from skry_dask.finishing.sharpening.levels import Levels, measure_levels
from skry_dask.finishing.sharpening.limbs import (
    keep_in_range,
    limb_reach,
    limit_overshoot,
    nearby_stack,
    ring_width,
)
from skry_dask.finishing.sharpening.psf import point_spread
from skry_dask.finishing.sharpening.richardson_lucy import deconvolve
from skry_dask.finishing.sharpening.tiles import (
    by_tiles,
    compute_window,
    from_whole,
    measured_now,
    windows,
)
from skry_dask.finishing.sharpening.unsharp import apply_unsharp_masks, unsharp_reach
from skry_dask.finishing.sharpening.wavelets import sharpen_layers, wavelet_reach
from skry_dask.finishing.sharpening.wiener import REACH as WIENER_REACH
from skry_dask.finishing.sharpening.wiener import apply_wiener
from skry_dask.graph.phase_inputs import check_image
from skry_dask.options.given import options_of
from skry_dask.options.rivals import OF_SHARPENING
from skry_dask.options.sharpening import N_LAYERS, SAMPLING, SharpenMethod, SharpenOptions

if TYPE_CHECKING:
    from skry_dask.finishing.sharpening.blur import Blur
    from skry_dask.types import AnyArray, Float32Array

LUCY_REACH = 64
"""Width of the surroundings of a tile for Richardson-Lucy deconvolution, px. Iterations carry
influence further, but so little that no seam can be seen: below 1/65535 of full scale."""

KEPT_BYTES = 2**28
"""Lazy images up to this size are read once and kept until they are measured."""

IN_ONE_THREAD = ("sync", "synchronous", "single-threaded")
"""Schedulers of dask that users choose to have no threads."""


def sharpen(
    image: Any,
    options: SharpenOptions | None = None,
    *,
    halves: Any = None,
    seeing: float | None = None,
    scale: float = 1.0,
    **choices: Any,
) -> Any:
    """Sharpen an image.

    Parameters
    ----------
    image
        (y, x) or (y, x, channel), 1 = full scale; NumPy array, dask array or DataArray, such as
        ``stack`` of a result. NaN where there is no picture, which stays so.
    options
        The method, and how strongly it sharpens; by default automatic.
    halves
        Half stacks of even and of odd frames, each of the image's shape, such as ``half_stack`` of
        a result, which show how strong the noise is; None: it is estimated from the image.
    seeing
        D/r0 of the capture for the automatic method, such as ``seeing`` of a result, measured as if
        there were 2.5 px to an angle of wavelength / diameter; None or NaN: it is estimated from
        how finely the halves, or the image, resolve the scene.
    scale
        Number of pixels of the image per pixel of the camera, as by drizzle, for the automatic
        method.
    **choices
        Options by name, such as ``method="wavelets"``. They win over ``options``.

    Returns
    -------
    float32, of the kind and shape of the image; lazy if that is. A lazy image of more than 256 MiB
    is read now, to measure it, and again when it is computed; smaller ones are kept between.

    Raises
    ------
    OptionsError
        If the image or the halves have another shape, or the PSF is larger than the image.
    ReaderError
        If the image of a PSF cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> import skry_dask as skry
    >>> disc = np.hypot(*np.mgrid[-32:32, -32:32]) < 20
    >>> skry.sharpen(disc * 0.5, method="wavelets").dtype
    dtype('float32')
    """
    options = options_of(SharpenOptions, options, choices, "sharpen", OF_SHARPENING)
    check_image("sharpen", image)
    pair = None
    if halves is not None:
        pair = [half.data if isinstance(half, xr.DataArray) else half for half in halves]
    if isinstance(image, xr.DataArray):
        return image.copy(
            data=sharpen(image.data, options, halves=pair, seeing=seeing, scale=scale)
        )
    _check(image, pair)
    if options.method is SharpenMethod.NONE:
        return image.astype(np.float32)
    planes = None if pair is None else [*map(_with_channel, pair)]
    about_air = _about_air(options.sampling, seeing, scale)
    is_large = isinstance(image, da.Array) and image.nbytes > KEPT_BYTES
    lazy = _sharpened(_with_channel(image), options, planes, about_air, is_large=is_large)
    lazy = lazy.reshape(image.shape)
    return lazy if isinstance(image, da.Array) else lazy.compute(scheduler=_here())


def _about_air(
    sampling: float | None, seeing: float | None, scale: float
) -> tuple[float | None, float]:
    """Find D/r0 and the finest detail that the telescope passes, cycles/px of the image.

    Seeing is measured by its r0 in px, so D/r0 follows from how many px belong to D.
    """
    sampling = sampling or SAMPLING
    return None if seeing is None else seeing * SAMPLING / sampling, 1 / (sampling * scale)


def _here() -> str:
    """Choose where an image in memory is sharpened: in this process, not on a cluster."""
    chosen = dask.config.get("scheduler", None)
    return chosen if chosen in IN_ONE_THREAD else "threads"


def _check(image: Any, halves: list[Any] | None) -> None:
    """Refuse what is no image, and halves of another shape."""
    if image.ndim not in (2, 3) or not image.size or image.shape[2:] not in ((), (1,), (3,)):
        raise OptionsError(
            f"an image of the shape {image.shape} cannot be sharpened: give (y, x) or (y, x, 3)"
        )
    for half in halves or ():
        if half.shape != image.shape:
            raise OptionsError(
                f"a half stack has the shape {half.shape}, but the image {image.shape}: give the "
                "half stacks of this image, or none"
            )


def _with_channel(image: Any) -> da.Array:
    array = da.asarray(image)
    return array if array.ndim == 3 else array[..., None]


def _sharpened(
    image: da.Array,
    options: SharpenOptions,
    halves: list[da.Array] | None,
    about_air: tuple[float | None, float],
    *,
    is_large: bool,
) -> da.Array:
    """Sharpen an image (y, x, channel) lazily."""
    differences = None
    if halves is not None:
        differences = windows((halves[0].astype(np.float32) - halves[1].astype(np.float32)) / 2)
    levels = from_whole(measure_levels, windows(image), differences)
    if is_large:
        levels = measured_now(levels)
    blur = None
    if options.method is SharpenMethod.AUTO:
        seeing, cutoff = about_air
        blur = measure_blur(image, halves, levels, seeing=seeing, cutoff=cutoff, is_large=is_large)
    reach = _reach(options, image.shape)
    return by_tiles(image, _sharpen_tile, reach, options, levels, blur, reach)


def _reach(options: SharpenOptions, shape: tuple[int, ...]) -> int:
    """Return how wide the surroundings of a tile must be, px; check that the PSF fits the image."""
    match options.method:
        case SharpenMethod.WAVELETS:
            reach = wavelet_reach(N_LAYERS)
        case SharpenMethod.UNSHARP:
            reach = unsharp_reach(options)
        case SharpenMethod.AUTO:
            reach = AUTO_REACH
        case _:
            psf = point_spread(options)
            if max(psf.shape) > min(shape[:2]):
                raise OptionsError(
                    f"the point spread function is {psf.shape[1]} x {psf.shape[0]} px, but the "
                    f"image only {shape[1]} x {shape[0]}: give a narrower one"
                )
            is_lucy = options.method is SharpenMethod.RICHARDSON_LUCY
            reach = LUCY_REACH if is_lucy else WIENER_REACH
    return max(reach, limb_reach(ring_width(options)))


def _sharpen_tile(
    tile: Float32Array,
    origin: tuple[int, int],
    options: SharpenOptions,
    levels: Levels,
    blur: Blur | None,
    reach: int,
) -> Float32Array:
    """Sharpen a tile with its surroundings (y, x, channel)."""
    out = np.empty_like(tile)
    # Limits look less far than most methods.
    beyond = reach - limb_reach(ring_width(options))
    needed = tuple(slice(beyond, n - beyond) for n in tile.shape[:2])
    first = origin[0] - reach + beyond, origin[1] - reach + beyond
    for channel in range(tile.shape[2]):
        plane = np.ascontiguousarray(tile[..., channel])
        gaps = ~np.isfinite(plane)
        if gaps.any():
            plane = _filled(plane, gaps)
        if blur is None:
            done = _sharpen_plane(plane, options, levels, channel)
        else:
            done = restore(plane, origin, blur)
        plane = plane[needed]
        limited = limit_overshoot(
            done[needed],
            plane,
            first=first,
            overshoot=options.overshoot,
            near=ring_width(options),
            nearby=nearby_stack(options),
            sky=float(levels.sky[channel]),
            white=float(levels.white[channel]),
        )
        done = keep_in_range(limited, plane)
        done[gaps[needed]] = np.nan
        out[needed][..., channel] = done
    return out


def _sharpen_plane(
    plane: Float32Array, options: SharpenOptions, levels: Levels, channel: int
) -> Float32Array:
    sky, white = float(levels.sky[channel]), float(levels.white[channel])
    match options.method:
        case SharpenMethod.WAVELETS:
            return sharpen_layers(plane, options, levels.noise[channel])
        case SharpenMethod.UNSHARP:
            return apply_unsharp_masks(plane, options, sky, white)
        case SharpenMethod.WIENER:
            return apply_wiener(plane, options)
        case _:
            return deconvolve(plane, options, white)


def _filled(plane: Float32Array, gaps: AnyArray) -> Float32Array:
    """Fill gaps with the nearest pixel that has a value, so that their edges are no steps."""
    from scipy import ndimage

    if gaps.all():
        return np.zeros_like(plane)
    nearest = ndimage.distance_transform_edt(gaps, return_distances=False, return_indices=True)
    filled: Float32Array = plane[tuple(nearest)]
    return filled


class Measured(NamedTuple):
    """What is measured of a whole image before windows of it are sharpened.

    Parameters
    ----------
    levels
        Brightness and noise.
    blur
        For the automatic method.
    """

    levels: Levels
    blur: Blur


def measure_image(
    image: AnyArray,
    halves: tuple[AnyArray, AnyArray] | None = None,
    *,
    sampling: float | None = None,
    seeing: float | None = None,
    scale: float = 1.0,
) -> Measured:
    """Measure an image in memory once, so that windows of it can be sharpened fast.

    Parameters
    ----------
    image, halves, seeing, scale
        See `sharpen`.
    sampling
        See `SharpenOptions`.
    """
    planes = _with_channel(image)
    pair = None if halves is None else [*map(_with_channel, halves)]
    differences = None
    if pair is not None:
        differences = windows((pair[0].astype(np.float32) - pair[1].astype(np.float32)) / 2)
    levels = from_whole(measure_levels, windows(planes), differences)
    seeing, cutoff = _about_air(sampling, seeing, scale)
    blur = measure_blur(planes, pair, levels, seeing=seeing, cutoff=cutoff)
    return Measured(*dask.compute(levels, blur, scheduler=_here()))


def sharpen_window(
    image: AnyArray, options: SharpenOptions, measured: Measured, rows: slice, columns: slice
) -> Float32Array:
    """Sharpen a window of an image in memory, as `sharpen` sharpens it in the whole.

    Iterations of Richardson-Lucy deconvolution may differ by less than 1/65535 of full scale.

    Parameters
    ----------
    image
        (y, x) or (y, x, channel), 1 = full scale.
    options
        The method, and how strongly it sharpens.
    measured
        From `measure_image`.
    rows, columns
        The window, within the image.

    Returns
    -------
    float32 (y, x[, channel])

    Raises
    ------
    OptionsError
        If the PSF is larger than the image.
    ReaderError
        If the image of a PSF cannot be read.
    """
    planes = image if image.ndim == 3 else image[..., None]
    if options.method is SharpenMethod.NONE:
        done = planes[rows, columns].astype(np.float32)
    else:
        blur = measured.blur if options.method is SharpenMethod.AUTO else None
        reach = _reach(options, planes.shape)
        done = compute_window(
            planes, rows, columns, _sharpen_tile, reach, options, measured.levels, blur, reach
        )
    return done if image.ndim == 3 else done[..., 0]
