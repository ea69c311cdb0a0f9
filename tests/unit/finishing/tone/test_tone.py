"""Tone changes what it says, in order, and nothing by default."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr

import skry_dask as skry
from skry_dask.errors import OptionsError

RNG = np.random.default_rng(3)
COLOUR = RNG.uniform(0.05, 0.6, (6, 7, 3)).astype(np.float32)


def test_by_default_nothing_is_changed() -> None:
    assert np.array_equal(skry.adjust_tone(COLOUR), COLOUR)


def test_balance_and_saturation_change_colours_and_not_their_grey() -> None:
    balanced = skry.adjust_tone(COLOUR * [0.5, 1, 1.5], skry.ToneOptions(balance="grey-world"))
    means = balanced.mean(axis=(0, 1))
    np.testing.assert_allclose(means, means.mean(), rtol=1e-5)
    gained = skry.adjust_tone(COLOUR, skry.ToneOptions(balance="2,1,0.5"))
    np.testing.assert_allclose(gained, COLOUR * [2, 1, 0.5], rtol=1e-5)
    luma = np.array([0.299, 0.587, 0.114])
    vivid = skry.adjust_tone(COLOUR, skry.ToneOptions(saturation=2))
    np.testing.assert_allclose(vivid @ luma, COLOUR @ luma, rtol=1e-4)
    grey = skry.adjust_tone(COLOUR, skry.ToneOptions(saturation=0))
    np.testing.assert_allclose(grey[..., 0], grey[..., 2], rtol=1e-4)


def test_stretch_makes_percentiles_black_and_white_and_keeps_gaps() -> None:
    image = np.linspace(0.2, 0.4, 101, dtype=np.float32).reshape(1, 101)
    out = skry.adjust_tone(image, skry.ToneOptions(stretch="10,90"))
    np.testing.assert_allclose(out[0, [0, 10, 50, 90, 100]], [0, 0, 0.5, 1, 1], atol=1e-4)
    image[0, 3] = np.nan
    array = skry.adjust_tone(xr.DataArray(image, dims=("y", "x")), skry.ToneOptions(gamma=2))
    assert np.isnan(array[0, 3])
    np.testing.assert_allclose(array[0, 0], np.sqrt(0.2), rtol=1e-5)


def test_a_curve_goes_through_its_points_without_waves() -> None:
    ramp = np.linspace(0, 1, 1001, dtype=np.float32).reshape(7, 143)
    options = skry.ToneOptions(curve=((0.25, 0.5), (0.5, 0.55)))
    out = skry.adjust_tone(ramp, options).ravel()
    np.testing.assert_allclose(out[[0, 250, 500, 1000]], [0, 0.5, 0.55, 1], atol=1e-6)
    assert (np.diff(out) >= 0).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stretch": "90,10"}, "stretch is '90,10': it must be two increasing percentiles"),
        ({"stretch": "white"}, "stretch is 'white': it must be 2 numbers, such as 0.1,99.9"),
        ({"balance": "1,2"}, "balance is '1,2': it must be 3 numbers"),
        ({"balance": "1,0,1"}, "gains must be above 0"),
        ({"curve": ((0.5, 0.2), (0.2, 0.4))}, "of increasing brightness"),
        ({"gamma": 0}, "gamma is 0: it must be from 0.1 to 10"),
    ],
)
def test_wrong_values_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(OptionsError, match=re.escape(words)):
        skry.ToneOptions(**options)


def test_a_grey_image_keeps_its_grey_and_one_without_range_is_not_stretched() -> None:
    flat = np.full((4, 5), 0.3, np.float32)
    coloured = skry.ToneOptions(saturation=2, balance="grey-world")
    assert np.array_equal(skry.adjust_tone(flat, coloured), flat)
    with pytest.raises(OptionsError, match="these percentiles have one brightness"):
        skry.adjust_tone(flat, skry.ToneOptions(stretch="1,99"))
