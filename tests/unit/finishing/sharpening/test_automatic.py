"""Automatic sharpening: nearer to the scene, quiet where there is nothing, without settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import dask
import dask.array as da
import numpy as np
import pytest
from scipy import ndimage

import skry_dask as skry
from skry_dask.errors import OptionsError
from skry_dask.finishing.sharpening.air import CUTOFF, contrast_left, seeing_from_resolution
from skry_dask.finishing.sharpening.automatic import REACH, measure_blur, restore
from skry_dask.finishing.sharpening.levels import measure_levels
from skry_dask.finishing.sharpening.tiles import by_tiles, windows

if TYPE_CHECKING:
    from skry_dask.types import FloatArray

SEEING = 5.0
NOISE = 0.001


class Stack(NamedTuple):
    """A disc with craters seen through air, and what it shows without."""

    scene: FloatArray
    image: FloatArray
    halves: tuple[FloatArray, FloatArray]
    radius: FloatArray


def through(scene: FloatArray, seeing: float, cutoff: float = CUTOFF) -> FloatArray:
    """Blur a scene as air does."""
    frequency = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, scene.shape), indexing="ij"))
    return np.fft.ifft2(np.fft.fft2(scene) * contrast_left(frequency, seeing, cutoff)).real


@pytest.fixture(scope="module")
def stack() -> Stack:
    rng = np.random.default_rng(5)
    y, x = np.mgrid[-150:170, -140:180]
    radius = np.hypot(y, x) - 90
    texture = sum(
        sigma**0.5 * ndimage.gaussian_filter(rng.normal(size=y.shape), sigma) * sigma
        for sigma in (1, 2, 4, 8)
    )
    scene = np.where(radius < 0, 0.5 + 0.06 * texture / texture.std(), 0.02)
    scene = ndimage.gaussian_filter(scene, 0.9)  # the telescope
    blurred = through(scene, SEEING)
    noise = rng.normal(0, NOISE * np.sqrt(2), (2, *y.shape))
    even, odd = blurred + noise[0], blurred + noise[1]
    return Stack(scene, (even + odd) / 2, (even, odd), radius)


class Sharpened(NamedTuple):
    """An image without what limits sharpening, and the seeing for which it was sharpened."""

    image: FloatArray
    seeing: float


def auto_sharpen(
    image: FloatArray, halves: tuple[FloatArray, ...] | None = None, *, seeing: float | None = None
) -> Sharpened:
    """Sharpen an image (y, x)."""
    lazy = da.from_array(image[..., None])
    pair = None if halves is None else [da.from_array(half[..., None]) for half in halves]
    levels = dask.delayed(measure_levels)(windows(lazy))
    blur = measure_blur(lazy, pair, levels, seeing=seeing, cutoff=CUTOFF)
    sharpened = by_tiles(
        lazy,
        lambda tile, origin, found: restore(tile[..., 0], origin, found)[..., None],
        REACH,
        blur,
    )
    return Sharpened(sharpened.compute()[..., 0], blur.compute().seeing)


def difference(image: FloatArray, stack: Stack) -> float:
    """Measure how far an image is from the scene."""
    return float(np.sqrt(np.mean(np.square(image - stack.scene))))


@pytest.mark.parametrize("known", ["halves", "seeing", "image alone"])
def test_sharpened_stack_is_nearer_to_the_scene(stack: Stack, known: str) -> None:
    halves = None if known == "image alone" else stack.halves
    sharpened = auto_sharpen(stack.image, halves, seeing=SEEING if known == "seeing" else None)
    gained = difference(stack.image, stack) / difference(sharpened.image, stack)
    assert gained > (4 if known == "seeing" else 2)
    assert sharpened.seeing == pytest.approx(SEEING, rel=0.25)


@pytest.mark.parametrize("sampling", [1.8, 4.0])
def test_how_cameras_are_matched_to_telescopes_is_an_option(stack: Stack, sampling: float) -> None:
    image = through(stack.scene, SEEING, 1 / sampling)
    noise = np.random.default_rng(3).normal(0, NOISE * np.sqrt(2), (2, *image.shape))
    even, odd = image + noise
    seeing = SEEING * sampling / 2.5  # as it is measured
    errors = {
        given: difference(
            skry.sharpen(
                (even + odd) / 2,
                skry.SharpenOptions(sampling=given),
                halves=(even, odd),
                seeing=seeing,
            ),
            stack,
        )
        for given in (2.5, sampling)
    }
    assert errors[sampling] < 0.7 * errors[2.5]


def test_sky_beside_a_limb_corrects_what_frames_say_of_the_seeing(stack: Stack) -> None:
    for said in (0.87 * SEEING, 1.15 * SEEING):
        found = auto_sharpen(stack.image, stack.halves, seeing=said).seeing
        assert abs(found - SEEING) < 0.75 * abs(said - SEEING)


def test_sky_stays_quiet_and_limb_without_rings(stack: Stack) -> None:
    image = auto_sharpen(stack.image, stack.halves).image
    assert image[stack.radius > 40].std() < 2 * NOISE
    profile = [image[stack.radius.round() == r].mean() for r in range(3, 20)]
    step = 0.5 - 0.02
    assert min(profile) > 0.02 - 0.03 * step
    assert max(profile[3:]) < 0.02 + 0.03 * step


def test_brightness_and_its_unit_do_not_matter(stack: Stack) -> None:
    image = auto_sharpen(stack.image, stack.halves).image
    assert image.mean() == pytest.approx(stack.image.mean(), rel=1e-3)
    brighter = auto_sharpen(1024 * stack.image, [1024 * half for half in stack.halves]).image
    np.testing.assert_array_equal(brighter, 1024 * image)


def test_colours_are_sharpened_alike_and_gaps_stay_gaps(stack: Stack) -> None:
    colour = np.stack([stack.image, 0.5 * stack.image, 0.25 * stack.image], axis=-1)
    colour[:40, 200:] = np.nan
    image = skry.sharpen(colour)
    np.testing.assert_array_equal(np.isnan(image), np.isnan(colour))
    np.testing.assert_allclose(image[..., 0], 2 * image[..., 1], rtol=1e-3)
    np.testing.assert_allclose(image[..., 0], 4 * image[..., 2], rtol=1e-3)
    assert np.nanmax(image) < 0.8  # no bright seam along the gap


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 1)),
        np.full((20, 300), 0.5),
        np.full((30, 30, 3), np.nan),
        np.random.default_rng(1).normal(size=(130, 7)),
    ],
    ids=["one pixel", "constant", "no picture", "narrow noise"],
)
def test_images_without_detail_are_left_without(image: FloatArray) -> None:
    done = skry.sharpen(image, halves=(image, np.zeros_like(image)))
    assert done.shape == image.shape
    np.testing.assert_array_equal(np.isnan(done), np.isnan(image))
    if np.isfinite(image).all():
        assert np.ptp(done) <= np.ptp(image) * 1.5 + 1e-6


@pytest.mark.parametrize("from_halves", [True, False])
def test_lower_resolution_means_worse_seeing(*, from_halves: bool) -> None:
    seeings = [seeing_from_resolution(r, from_halves=from_halves) for r in (0.4, 0.3, 0.2, 0.1)]
    assert seeings == sorted(seeings)


def test_halves_of_another_image_are_refused(stack: Stack) -> None:
    with pytest.raises(OptionsError, match=r"half stack has the shape \(320, 319\)"):
        skry.sharpen(stack.image, halves=[half[:, 1:] for half in stack.halves])
