"""No rings where a bright surface ends at a dark sky, and no clipped highlights.

Whatever amplifies detail overshoots at a step: the limb becomes a bright line, and the sky beside
it darker. Such rings run along the limb, and detail does not. So what is limited is the profile
across the limb, averaged along it: where that of the sharpened image leaves the range of the
stack's own profile nearby, by more than a small share of the step, the excess is taken off. Spots
and belts beside the limb stay as they are. The shadows of craters are small and are no sky: nothing
is changed there. Everywhere, what sharpening adds fades out towards black and full scale in place
of being cut off.

Profiles are averaged in blocks of a fixed grid, together with the blocks around, and interpolated
between them. Cost: 0.5 us a pixel of a tile with a limb.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.options.sharpening import SharpenMethod

if TYPE_CHECKING:
    from skry_dask.options.sharpening import SharpenOptions
    from skry_dask.types import AnyArray, Float32Array, FloatArray

DARK = 0.12
"""Brightness up to which a place may belong to the sky, between the sky's and white."""

SKY_SIDE = 25
"""Side of the smallest square of dark pixels that is sky, px."""

SHARPEST = 16
"""Least distance from the limb up to which profiles are limited, px."""

AUTOMATIC = 48
"""Such a distance for the automatic method, px."""

WIDEST = 48
"""Largest such distance, px."""

NEARBY = 4
"""Distance within which the stack's profile shows how bright both sides of the limb are, px."""

NEARBY_AUTOMATIC = 8
"""Such a distance for the automatic method, which overshoots little, but undoes more blur."""

BESIDE = 11
"""Up to this distance from the limb inwards, and over all of the sky's side, pixels are limited one
by one as well, px."""

SOFTNESS = 4
"""Width over which that fades out, px."""

FADING = 1 / 3
"""Share of the distance up to which values are limited over which the limit fades out."""

SMOOTHING = 2.0
"""Sigma by which distances from the limb are smoothed, px, since it runs between pixels."""

BINS = 2
"""Number of bins of a profile to a px."""

BLOCK = 16
"""Side of the blocks whose profiles are averaged, px."""

AROUND = 2
"""Blocks up to this far from a block count for its profile, the nearest most."""


def limb_reach(near: int) -> int:
    """Return how far a pixel influences others, px; see `limit_overshoot`."""
    return SKY_SIDE + near + NEARBY_AUTOMATIC + int(3 * SMOOTHING) + BLOCK * (AROUND + 2)


def ring_width(options: SharpenOptions) -> int:
    """Return how far from a limb sharpening may overshoot, px.

    Parameters
    ----------
    options
        How an image is sharpened.
    """
    widest = 0.0
    match options.method:
        case SharpenMethod.WAVELETS:
            amplified = [2**layer for layer, gain in enumerate(options.gains or ()) if gain > 1]
            widest = 3.0 * max(amplified, default=0)
        case SharpenMethod.AUTO:
            widest = AUTOMATIC
        case SharpenMethod.UNSHARP:
            widest = 3.0 * max(options.radii or (0.0,))
        case _:
            widest = 4.0 * (options.sigma or options.seeing or 0.0)
    return int(min(max(widest, SHARPEST), WIDEST))


def nearby_stack(options: SharpenOptions) -> int:
    """Return how near a pixel the stack shows how bright both sides of a limb are, px."""
    return NEARBY_AUTOMATIC if options.method is SharpenMethod.AUTO else NEARBY


def limit_overshoot(
    sharpened: Float32Array,
    image: Float32Array,
    *,
    first: tuple[int, int],
    overshoot: float,
    near: int,
    nearby: int,
    sky: float,
    white: float,
) -> Float32Array:
    """Limit how far sharpening overshoots at limbs.

    Parameters
    ----------
    sharpened, image
        float32 (y, x): the image after and before, without NaN.
    first
        Row and column of the first pixel in the whole image, whose blocks are used.
    overshoot
        Part of a step by which profiles may lie beyond it, 0 to 1.
    near
        Distance from the limb up to which values are limited, px.
    nearby
        Distance within which the image shows how bright both sides of the limb are, px.
    sky, white
        Brightness of the darkest and of the brightest places.

    Returns
    -------
    float32 (y, x).
    """
    from scipy import ndimage

    if overshoot >= 1 or sky > 0.5 * white:
        return sharpened
    distance = distance_from_limb(image, sky, white)
    if distance is None:
        return sharpened
    affected = np.nonzero(np.abs(distance) < near)
    if not len(affected[0]):
        return sharpened
    # One bin more on either side, for interpolation.
    bins = BINS * (distance[affected] + near).astype(np.float64) + 1
    profiles = _Profiles(affected, bins, first, image.shape, 2 * BINS * near + 3)
    before, after = profiles.of(image[affected]), profiles.of(sharpened[affected])
    size = 2 * BINS * nearby + 1
    brightest = ndimage.maximum_filter1d(before, size, axis=-1, mode="nearest")
    darkest = ndimage.minimum_filter1d(before, size, axis=-1, mode="nearest")
    beyond = overshoot * (brightest - darkest)
    excess = after - np.clip(after, darkest - beyond, brightest + beyond)
    outside = np.abs(distance[affected])
    fading = np.clip((near - outside) / (FADING * near), 0, 1)
    limited = sharpened[affected] - (profiles.between(excess) * fading).astype(np.float32)
    # Pixels of a sharp limb lie above and below the mean.
    highest, lowest = (
        extreme(image, 2 * nearby + 1, mode="nearest")[affected]
        for extreme in (ndimage.maximum_filter, ndimage.minimum_filter)
    )
    allowed = np.float32(overshoot) * (highest - lowest)
    clipped = np.clip(limited, lowest - allowed, highest + allowed)
    inwards = np.clip((BESIDE - distance[affected]) / SOFTNESS, 0, 1)
    share = np.where(distance[affected] > 0, inwards, fading).astype(np.float32)
    out = sharpened.copy()
    out[affected] = limited + share * (clipped - limited)
    return out


def distance_from_limb(image: Float32Array, sky: float, white: float) -> Float32Array | None:
    """Measure how far pixels lie from the edge of large dark places.

    Parameters
    ----------
    image
        float32 (y, x), without NaN.
    sky, white
        Brightness of the darkest and of the brightest places.

    Returns
    -------
    float32 (y, x), px, below 0 in the sky; None where there is no limb.
    """
    from scipy import ndimage

    dark = image < np.float32(sky + DARK * (white - sky))
    if not dark.any():
        return None
    is_sky = ndimage.minimum_filter(dark.view(np.uint8), SKY_SIDE)
    is_sky = ndimage.maximum_filter(is_sky, SKY_SIDE).astype(bool)
    if not is_sky.any() or is_sky.all():
        return None
    inside = ndimage.distance_transform_edt(~is_sky)
    outside = ndimage.distance_transform_edt(is_sky)
    distance = np.where(is_sky, 0.5 - outside, inside - 0.5).astype(np.float32)
    smooth: Float32Array = ndimage.gaussian_filter(distance, SMOOTHING, truncate=3.0)
    return smooth


class _Profiles:
    """Profiles across the limb, in blocks of an image.

    Parameters
    ----------
    pixels
        Rows and columns of the pixels that count.
    bins
        float64 (pixel), distance from the limb, as a number of bins.
    first
        Row and column of the image's first pixel in the whole image.
    shape
        Of the image (y, x).
    n_bins
        Number of bins.
    """

    def __init__(
        self,
        pixels: tuple[AnyArray, ...],
        bins: FloatArray,
        first: tuple[int, int],
        shape: tuple[int, ...],
        n_bins: int,
    ) -> None:
        y, x = (of + start % BLOCK for of, start in zip(pixels, first, strict=True))
        n_blocks = (1 + (start % BLOCK + n) // BLOCK for n, start in zip(shape, first, strict=True))
        self.shape = (*n_blocks, n_bins)
        self.places = np.stack([(y + 0.5) / BLOCK - 0.5, (x + 0.5) / BLOCK - 0.5, bins])
        self.cells = np.ravel_multi_index(
            (y // BLOCK, x // BLOCK, bins.round().astype(np.int64)), self.shape
        )
        self.counts = self._added_up(None)

    def of(self, values: Float32Array) -> FloatArray:
        """Average the values of the pixels: float64 (block_y, block_x, bin)."""
        sums = self._added_up(values)
        known = self.counts > 0
        means = np.divide(sums, self.counts, out=np.zeros_like(sums), where=known)
        # Bins that no pixel falls into have the value of the next one towards the limb.
        middle = means.shape[-1] // 2
        for step, order in ((1, range(middle, means.shape[-1])), (-1, range(middle, -1, -1))):
            for i in order:
                unknown = ~known[..., i]
                if i != middle:
                    means[unknown, i] = means[unknown, i - step]
        return means

    def between(self, values: FloatArray) -> FloatArray:
        """Interpolate values (block_y, block_x, bin) at the pixels."""
        from scipy import ndimage

        found: FloatArray = ndimage.map_coordinates(values, self.places, order=1, mode="nearest")
        return found

    def _added_up(self, values: Float32Array | None) -> FloatArray:
        """Add values up in the blocks around each block, or count them."""
        from scipy import ndimage

        sums = np.bincount(self.cells, values, int(np.prod(self.shape))).reshape(self.shape)
        weights = AROUND + 1.0 - np.abs(np.arange(-AROUND, AROUND + 1))
        added: FloatArray = sums.astype(np.float64)
        for axis in (0, 1):
            added = ndimage.correlate1d(added, weights, axis=axis, mode="constant")
        return added


def keep_in_range(sharpened: Float32Array, image: Float32Array) -> Float32Array:
    """Let what sharpening adds fade out towards 0 and 1.

    Parameters
    ----------
    sharpened, image
        float32 (y, x): the image after and before, without NaN.

    Returns
    -------
    float32 (y, x), 0 to 1 where the image is; changes that stay far from black and white are
    unchanged.
    """
    change = sharpened - image
    room = np.where(change > 0, np.float32(1) - image, image)
    room = np.maximum(room, np.float32(1e-6))
    ratio = change / room
    power = ratio * ratio
    fading = np.sqrt(np.sqrt(np.float32(1) + power * power))
    out: Float32Array = (image + change / fading).astype(np.float32, copy=False)
    return out
