"""Resolution: where two halves of known detail and noise cease to agree, and where they cannot."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import skry_dask as skry
from skry_dask.errors import OptionsError

SHAPE = (300, 420)
NOISE = 0.02


def detail_power(frequency: np.ndarray) -> np.ndarray:
    """Power of the scene, per px, as of a moon: it falls with the fourth power."""
    return 1 / (1 + (frequency / 0.02) ** 4)


def scene(seed: int = 0) -> np.ndarray:
    """Draw a scene of this power."""
    y, x = np.fft.fftfreq(SHAPE[0]), np.fft.rfftfreq(SHAPE[1])
    white = np.fft.rfft2(np.random.default_rng(seed).normal(size=SHAPE))
    return np.fft.irfft2(white * np.sqrt(detail_power(np.hypot(y[:, None], x))), SHAPE)


def halves_of(image: np.ndarray, noise: float | np.ndarray = NOISE) -> xr.Dataset:
    """Add noise of its own to each half of an image (y, x[, channel])."""
    random = np.random.default_rng(1)
    halves = image + noise * random.normal(size=(2, *image.shape))
    dims = ("half", "y", "x", "channel")[: halves.ndim]
    coords = {"y": np.arange(image.shape[0]) + 10.0, "x": np.arange(image.shape[1]) - 3.0}
    return xr.Dataset({"half_stack": (dims, halves.astype(np.float32))}, coords)


def expected(frequency: np.ndarray, noise: float) -> np.ndarray:
    """Share of detail in the power of an image with this noise."""
    return detail_power(frequency) / (detail_power(frequency) + noise**2)


def test_correlation_is_the_share_of_detail_in_the_power() -> None:
    found = skry.measure_resolution(halves_of(scene()))
    frequency = found["frequency"].to_numpy()
    assert (frequency[0], frequency[-1], len(frequency)) == (1 / 128, 1 / 2, 64)
    finer = frequency > 0.05  # coarser rings have few frequencies
    for name, noise in (("half_correlation", NOISE), ("ring_correlation", NOISE / np.sqrt(2))):
        difference = found[name].to_numpy() - expected(frequency, noise)
        assert np.abs(difference[finer]).mean() < 0.02
    fine = np.linspace(0, 0.5, 1000)
    for threshold, of_stack in zip((1 / 2, 1 / 7), found["resolution"].to_numpy(), strict=True):
        truth = fine[np.argmax(expected(fine, NOISE / np.sqrt(2)) < threshold)]
        assert of_stack == pytest.approx(truth, rel=0.04)


def test_resolution_is_that_of_its_place() -> None:
    columns = np.arange(SHAPE[1])
    found = skry.measure_resolution(halves_of(scene(), np.where(columns < 210, NOISE, 8 * NOISE)))
    local = found["region_resolution"].sel(threshold=1 / 2)
    assert list(found["region_x"].to_numpy()[[0, -1]]) == [60.5, 352.5]
    assert list(found["region_y"].to_numpy()[[0, -1]]) == [73.5, 245.5]
    left, right = local.isel(region_x=0), local.isel(region_x=-1)
    assert (left > 2 * right).all()


@pytest.mark.parametrize("hidden", ["border", "holes"])
def test_what_is_not_shown_does_not_count(hidden: str) -> None:
    stack = halves_of(scene())
    whole = skry.measure_resolution(stack)["resolution"].to_numpy()
    values = stack["half_stack"].to_numpy()
    if hidden == "border":
        values[:, :, 250:] = np.nan
    else:
        values[0, 100:103, ::140] = np.nan  # of a half
    found = skry.measure_resolution(stack)
    np.testing.assert_allclose(found["resolution"], whole, rtol=0.08)
    outside = found["region_correlation"].isel(region_x=-1).isnull()
    assert outside.all() == (hidden == "border")


def test_each_colour_has_its_resolution() -> None:
    image = np.repeat(scene()[..., None], 3, axis=2)
    found = skry.measure_resolution(halves_of(image, np.array([1, 2, 4]) * NOISE))
    assert found["ring_correlation"].dims == ("frequency", "channel")
    assert found["region_resolution"].dims == ("region_y", "region_x", "threshold", "channel")
    assert (found["resolution"].diff("channel") < -0.01).all()


def test_equal_halves_agree_at_all_frequencies_and_unrelated_ones_at_none() -> None:
    image = scene()[:90, :75]
    equal = skry.measure_resolution(halves_of(image, 0.0))
    np.testing.assert_allclose(equal["ring_correlation"], 1)
    assert (equal["resolution"] == 0.5).all()
    assert len(equal["frequency"]) == 37  # of regions of 74 px
    for nothing in (halves_of(0 * image, 1.0), halves_of(np.full_like(image, np.nan))):
        assert skry.measure_resolution(nothing)["resolution"].isnull().all()


def test_a_stack_without_halves_or_of_few_pixels_is_refused() -> None:
    with pytest.raises(OptionsError, match=r"without half_stack: give what .*halves=True"):
        skry.measure_resolution(xr.Dataset({"stack": ("y", [1.0])}))
    with pytest.raises(OptionsError, match="is 15 x 40 px: it must have at least 16"):
        skry.measure_resolution(halves_of(scene()[:40, :15]))
