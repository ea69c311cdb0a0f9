"""Simulated cameras with a colour filter array, through either kind of seeing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.errors import OptionsError
from skry_dask.io.raw.ser import SerReader
from skry_dask.options.simulation import SimulateOptions
from skry_dask.simulation.simulate import simulate, write_capture, write_truth

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

CLEAN = {"frames": 2, "height": 64, "width": 80, "photons": 1e9, "read_noise": 0.0, "bits": 16}
GREY = {
    "gaussian": SimulateOptions(**CLEAN),
    "optics": SimulateOptions(**CLEAN, seeing="optics", diameter=1.0, jitter=0.2, drift=(0, 0)),
}


@pytest.fixture(scope="module", params=GREY)
def pair(request: pytest.FixtureRequest) -> tuple[xr.Dataset, xr.Dataset]:
    """One capture in grey and in raw colour."""
    grey = GREY[request.param]
    coloured = dataclasses.replace(grey, cfa="GBRG")
    return simulate("planet", grey).compute(), simulate("planet", coloured).compute()


def pixels(capture: xr.Dataset, colour: str) -> list[np.ndarray]:
    """Pixels of a colour in all frames, relative to the black level, for each of its filters."""
    light = capture["frames"].to_numpy() - capture.attrs["black"]
    return [light[:, i // 2 :: 2, i % 2 :: 2] for i in range(4) if "GBRG"[i] == colour]


def test_green_pixels_are_those_of_a_grey_camera(pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    for grey, coloured in zip(*(pixels(capture, "G") for capture in pair), strict=True):
        np.testing.assert_allclose(coloured, grey, atol=10)  # of 65535: noise of photons
    grey, coloured = pair
    for name in ("offset", "shift", "blur"):
        np.testing.assert_array_equal(coloured[name], grey[name])


def test_other_pixels_have_the_hue_of_the_scene(pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    grey, coloured = pair
    scene = coloured["scene"]
    assert scene.dims == ("scene_y", "scene_x", "channel")
    assert list(scene["channel"].to_numpy()) == ["red", "green", "blue"]
    np.testing.assert_array_equal(scene.sel(channel="green"), grey["scene"])
    for channel, name in (("red", "R"), ("blue", "B")):
        seen = pixels(coloured, name)[0].mean() / pixels(grey, name)[0].mean()
        hue = scene.sel(channel=channel).mean() / grey["scene"].mean()
        assert seen == pytest.approx(float(hue), abs=0.02)


def test_the_file_says_which_filters_the_camera_has(
    pair: tuple[xr.Dataset, xr.Dataset], tmp_path: Path
) -> None:
    coloured = pair[1]
    assert coloured.attrs["cfa"] == "GBRG"
    truth = write_truth(tmp_path / "a.ser", write_capture(tmp_path / "a.ser", coloured.chunk()))
    assert SerReader(tmp_path / "a.ser").info.cfa == "GBRG"
    with np.load(truth) as found:
        np.testing.assert_array_equal(found["scene"], coloured["scene"])


def test_a_telescope_shows_less_detail_in_red_than_in_blue() -> None:
    still = dataclasses.replace(GREY["optics"], frames=1, cfa="RGGB")
    seen = simulate("sun", still)["scene_dl"].to_numpy()
    scene = simulate("sun", still)["scene"].to_numpy()
    detail = [
        np.diff(seen[..., k]).std() / np.diff(scene[..., k]).std() for k in range(3)
    ]  # red, green, blue
    assert detail == sorted(detail)
    assert detail[2] > 1.1 * detail[0]


def test_a_pattern_that_does_not_exist_is_refused() -> None:
    with pytest.raises(OptionsError, match=r"cfa is 'RGB': choose one of RGGB, GRBG, GBRG, BGGR"):
        SimulateOptions(cfa="RGB")
