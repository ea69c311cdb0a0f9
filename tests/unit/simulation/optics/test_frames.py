"""Captures by wave optics: labels, truth, lazy frames, the same bits in any chunk."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import dask
import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from skry_dask.errors import OptionsError
from skry_dask.options.simulation import SimulateOptions
from skry_dask.simulation.optics.telescope import Telescope
from skry_dask.simulation.simulate import simulate, write_capture, write_truth

if TYPE_CHECKING:
    from pathlib import Path

SMALL = SimulateOptions(
    seeing="optics", frames=5, height=64, width=96, jitter=0.3, drift=(4.0, -6.0), diameter=1.0
)
CLEAN = {"bits": 16, "photons": 1e9, "read_noise": 0.0}


@pytest.fixture(scope="module")
def small() -> xr.Dataset:
    return simulate("moon", SMALL).compute()


def brightness(capture: xr.Dataset) -> np.ndarray:
    black, white = capture.attrs["black"], capture.attrs["white"]
    return (capture["frames"].to_numpy() - black) / (white - black)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"d_over_r0": 5.0}, "d_over_r0 is 5.0, but belongs to optics seeing: leave it out, or"),
        ({"seeing": "optics", "warp": 1.6}, "warp is 1.6, but belongs to gaussian seeing"),
        ({"seeing": "fog"}, "seeing is 'fog': choose one of gaussian, optics"),
        ({"seeing": "optics", "d_over_r0": 30.0}, "d_over_r0 is 30.0; it must be from 0.1 to 20"),
        (
            {"seeing": "optics", "exposure": 50.0},
            "exposure is 50 ms at a frame_rate of 30; it must be up to 33.3",
        ),
    ],
)
def test_options_of_the_other_seeing_and_wrong_values_are_refused(
    wrong: dict[str, float], message: str
) -> None:
    with pytest.raises(OptionsError, match=message):
        SimulateOptions(**wrong)


def test_every_variable_is_labelled(small: xr.Dataset) -> None:
    grid = ("frame", "grid_y", "grid_x")
    assert {name: v.dims for name, v in small.data_vars.items()} == {
        "frames": ("frame", "y", "x"),
        "scene": ("scene_y", "scene_x"),
        "scene_dl": ("scene_y", "scene_x"),
        "offset": ("frame", "axis"),
        "shift": (*grid, "axis"),
        "blur": grid,
        "strehl": grid,
    }
    assert all(v.attrs.keys() >= {"units", "long_name"} for v in small.data_vars.values())
    assert small["frames"].shape == (5, 64, 96)
    assert small["frames"].dtype == np.uint8
    assert small["scene_dl"].shape == small["scene"].shape
    assert small.attrs["options"]["d_over_r0"] == 5.0
    for axis in "yx":
        scene, nodes = small[f"scene_{axis}"], small[f"grid_{axis}"]
        assert scene[0] == nodes[0] == -small.attrs["margin"]
        assert nodes[-2] < scene[-1] <= nodes[-1]


def test_chunks_and_schedulers_do_not_change_a_bit(small: xr.Dataset) -> None:
    with dask.config.set(scheduler="threads"):
        chunked = simulate("moon", SMALL, frames_per_chunk=2).compute()
    xr.testing.assert_identical(chunked, small)
    alone = simulate("moon", SMALL, frames_per_chunk=1).isel(frame=[3])
    xr.testing.assert_identical(alone.compute(), small.isel(frame=[3]))


def test_another_seed_is_another_capture(small: xr.Dataset) -> None:
    other = simulate("moon", dataclasses.replace(SMALL, seed=2, frames=1)).compute()
    for name in ("frames", "scene", "offset", "shift", "blur", "strehl"):
        of_first = small[name].isel(frame=[0]) if "frame" in small[name].dims else small[name]
        assert not np.array_equal(other[name], of_first), name


def test_frames_and_their_truth_are_lazy() -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        pytest.fail("something computed")

    with dask.config.set(scheduler=refuse):
        capture = simulate("moon", SMALL)
    assert all(capture[name].chunks for name in ("frames", "offset", "shift", "blur", "strehl"))


def test_still_air_shows_the_scene_through_the_telescope() -> None:
    capture = simulate("moon", dataclasses.replace(SMALL, d_over_r0=0.1, frames=2, **CLEAN))
    capture = capture.compute()
    assert capture["strehl"].min() > 0.98
    assert np.ptp(capture["blur"].to_numpy()) < 0.01
    seen = capture["scene_dl"].to_numpy().astype(np.float64)
    y, x = np.mgrid[:64.0, :96.0] + capture.attrs["margin"]
    for frame, offset in zip(brightness(capture), capture["offset"].to_numpy(), strict=True):
        expected = ndimage.map_coordinates(seen, [y - offset[0], x - offset[1]], order=5)
        assert np.sqrt(((frame - expected) ** 2).mean()) < 1e-3


def test_the_telescope_alone_takes_detail_from_the_scene(small: xr.Dataset) -> None:
    # Nothing passes beyond D / lambda, 0.4 cycles per px.
    spectrum = np.abs(
        np.fft.fft2(small["scene_dl"] * np.outer(*map(np.hanning, small["scene"].shape)))
    )
    scene = np.abs(np.fft.fft2(small["scene"] * np.outer(*map(np.hanning, small["scene"].shape))))
    frequency = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, small["scene"].shape), indexing="ij"))
    beyond, within = frequency > 0.43, (frequency > 0.05) & (frequency < 0.1)
    assert spectrum[beyond].mean() < 0.02 * scene[beyond].mean()
    assert 0.5 < spectrum[within].mean() / scene[within].mean() < 0.95


def test_scene_points_show_where_the_truth_says(monkeypatch: pytest.MonkeyPatch) -> None:
    # Tilts alone: asymmetric speckles move detail besides.
    ideal = Telescope(2.5, 0.3, 5.0).ideal
    monkeypatch.setattr(Telescope, "psf", lambda _, phase: np.repeat(ideal[None], len(phase), 0))
    options = dataclasses.replace(
        SMALL, frames=2, height=128, width=176, diameter=0.5, wavelength=2200.0, **CLEAN
    )
    capture = simulate("moon", options).compute()
    still = capture["scene_dl"].to_numpy().astype(np.float64)
    margin = capture.attrs["margin"]
    inside = capture.sel(grid_y=slice(25, 103), grid_x=slice(25, 151))
    y, x = np.meshgrid(inside["grid_y"], inside["grid_x"], indexing="ij")
    for k, frame in enumerate(brightness(capture)):
        offset, shift = inside["offset"].to_numpy()[k], inside["shift"].to_numpy()[k]
        place = offset + shift
        seen = ndimage.map_coordinates(frame, [y + place[..., 0], x + place[..., 1]], order=5)
        np.testing.assert_allclose(seen, still[y + margin, x + margin], atol=1e-2)
        unshifted = ndimage.map_coordinates(frame, [y + offset[0], x + offset[1]], order=5)
        assert np.abs(unshifted - still[y + margin, x + margin]).max() > 0.03


def test_worse_air_moves_and_blurs_more() -> None:
    worse = [
        simulate("sun", dataclasses.replace(SMALL, frames=1, d_over_r0=d)).compute()
        for d in (2.0, 6.0)
    ]
    for name in ("shift", "blur"):
        assert abs(worse[1][name]).mean() > 1.5 * abs(worse[0][name]).mean()
    assert worse[1]["strehl"].mean() < 0.5 * worse[0]["strehl"].mean()


def test_a_file_and_its_truth_come_from_one_computation(tmp_path: Path, small: xr.Dataset) -> None:
    from skry_dask.io.raw.ser import SerReader

    capture = write_capture(tmp_path / "moon.ser", simulate("moon", SMALL, frames_per_chunk=2))
    np.testing.assert_array_equal(SerReader(tmp_path / "moon.ser").read(0, 5), small["frames"])

    def refuse(*_args: object, **_kwargs: object) -> None:
        pytest.fail("something is computed again")

    with dask.config.set(scheduler=refuse):
        path = write_truth(tmp_path / "moon.ser", capture)
    names = {"offset": "offsets", "shift": "shifts"} | {
        name: name for name in ("blur", "strehl", "scene_dl")
    }
    with np.load(path) as truth:
        for name, key in names.items():
            np.testing.assert_array_equal(truth[key], small[name])
