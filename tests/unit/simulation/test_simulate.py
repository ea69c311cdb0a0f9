"""Simulated captures: options, labels, truth and files."""

import dataclasses
import importlib
import subprocess
import sys

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from skry_dask.errors import OptionsError
from skry_dask.options.simulation import Scene, SimulateOptions
from skry_dask.simulation.simulate import simulate, write_capture, write_truth

SMALL = SimulateOptions(frames=5, height=48, width=64)
STILL = dataclasses.replace(SMALL, drift=(0.0, 0.0), jitter=0.0, warp=0.0, blur=(1.2, 1.2))
CLEAN = {"bits": 16, "photons": 1e9, "read_noise": 0.0}


def brightness(capture):
    """Convert grey levels to the scene's scale."""
    black, white = capture.attrs["black"], capture.attrs["white"]
    return (capture["frames"].values - black) / (white - black)


def test_options_out_of_range_are_refused_with_name_value_and_range():
    for wrong, message in (
        ({"frames": 0}, "frames is 0; it must be from 1 to 100000"),
        ({"height": 31}, "height is 31"),
        ({"width": 10**6}, "width is 1000000"),
        ({"bits": 7}, "bits is 7; it must be from 8 to 16"),
        ({"bits": 17}, "bits is 17"),
        ({"seed": -1}, "seed is -1"),
        ({"drift": (0.0, 2000.0)}, "drift is"),
        ({"drift": (1.0, 2.0, 3.0)}, "must be two numbers"),
        ({"jitter": float("nan")}, "jitter is nan"),
        ({"warp": -0.1}, "warp is -0.1"),
        ({"warp": 5.0}, "warp is 5.0 with a warp_scale of 40.0; it must be from 0 to 2.5"),
        ({"blur": (2.0, 1.0)}, "the smaller sigma comes first"),
        ({"blur": (0.1, 1.0)}, "it must be from 0.5 to 10"),
        ({"photons": 0}, "photons is 0"),
        ({"read_noise": 65}, "read_noise is 65"),
    ):
        with pytest.raises(OptionsError, match=message):
            SimulateOptions(**wrong)


def test_an_unknown_scene_is_refused_with_those_there_are():
    with pytest.raises(OptionsError, match=r"scene is 'comet'; it must be one of moon, planet"):
        simulate("comet", SMALL)


def test_every_variable_is_labelled():
    capture = simulate("moon", SMALL)
    dims = {
        "frames": ("frame", "y", "x"),
        "scene": ("scene_y", "scene_x"),
        "offset": ("frame", "axis"),
        "shift": ("frame", "grid_y", "grid_x", "axis"),
        "blur": ("frame", "grid_y", "grid_x"),
    }
    assert {name: v.dims for name, v in capture.data_vars.items()} == dims
    assert all(v.attrs.keys() >= {"units", "long_name"} for v in capture.data_vars.values())
    assert capture["frames"].shape == (5, 48, 64)
    assert capture["scene"].dtype == capture["shift"].dtype == capture["blur"].dtype == np.float32
    assert capture.attrs["options"]["height"] == 48


def test_the_grid_covers_the_scene():
    capture = simulate("moon", SMALL)
    for axis in "yx":
        scene, grid = capture[f"scene_{axis}"], capture[f"grid_{axis}"]
        assert scene[0] == grid[0] == -capture.attrs["margin"]
        assert grid[-2] < scene[-1] <= grid[-1]
        assert (grid.diff(f"grid_{axis}") == capture.attrs["grid_step"]).all()


def test_thirty_frames_last_a_second():
    time = simulate("moon", dataclasses.replace(SMALL, frames=31))["time"]
    assert time.dtype == "datetime64[ns]"
    assert time[30] - time[0] == np.timedelta64(1, "s")


def test_no_frame_is_computed_before_it_is_asked_for():
    def refuse(*_args, **_kwargs):
        pytest.fail("something computed")

    with dask.config.set(scheduler=refuse):
        capture = simulate("moon", SMALL)
    assert isinstance(capture["frames"].data, da.Array)


def test_the_graph_stays_small():
    capture = simulate("planet", dataclasses.replace(SMALL, frames=64), frames_per_chunk=8)
    # For each chunk one task and slices of four small arrays; the scene and its levels.
    assert len(capture["frames"].__dask_graph__()) <= 5 * 8 + 10


@pytest.mark.parametrize("scene", Scene)
def test_the_same_seed_gives_the_same_bits(scene):
    first, again = simulate(scene, SMALL).compute(), simulate(scene, SMALL).compute()
    xr.testing.assert_identical(first, again)
    other = simulate(scene, dataclasses.replace(SMALL, seed=2))
    for name in first.data_vars.keys() - {"turn"}:
        assert not np.array_equal(first[name], other[name]), name


def test_every_frame_has_its_own_noise():
    frames = simulate("moon", STILL)["frames"].values
    assert len(np.unique(frames, axis=0)) == len(frames)


@pytest.mark.parametrize("scene", Scene)
def test_scenes_use_the_range_from_0_to_1(scene):
    truth = simulate(scene, dataclasses.replace(SMALL, height=96, width=128))["scene"].values
    assert truth.min() >= 0.0
    assert 0.7 < truth.max() <= 1.0
    assert truth.std() > 0.05


def test_a_planet_is_alone_in_the_dark_and_centred():
    capture = simulate("planet", dataclasses.replace(SMALL, height=96, width=128))
    truth = capture["scene"]
    radius = np.hypot(truth["scene_y"] - 47.5, truth["scene_x"] - 63.5)
    assert (truth.values[radius.values > 0.27 * 96 + 1] == 0.0).all()
    assert (truth.values[radius.values < 0.25 * 96] > 0.0).all()


def test_the_moon_has_craters_large_and_small():
    for height in (32, 64, 200):
        truth = simulate("moon", dataclasses.replace(SMALL, height=height))["scene"].values
        for scale in (1, 2, 4):
            small, large = (ndimage.gaussian_filter(truth, s) for s in (scale, 2 * scale))
            assert (small - large).std() > 0.01


def test_the_drift_from_the_first_to_the_last_frame_is_that_of_the_options():
    offset = simulate("moon", dataclasses.replace(SMALL, jitter=0.0))["offset"].values
    np.testing.assert_allclose(offset[-1] - offset[0], SMALL.drift)
    np.testing.assert_allclose(np.diff(offset, axis=0), np.full((4, 2), SMALL.drift) / 4)
    np.testing.assert_allclose(offset.mean(axis=0), 0.0, atol=1e-12)


def test_jitter_is_the_rms_step_from_frame_to_frame():
    options = SimulateOptions(frames=3000, height=32, width=32, drift=(0.0, 0.0), jitter=0.7)
    steps = simulate("planet", options)["offset"].diff("frame").values
    np.testing.assert_allclose(np.sqrt((steps**2).mean(axis=0)), 0.7, rtol=0.05)


def test_a_capture_of_one_frame_is_in_the_middle_of_the_drift():
    capture = simulate("moon", dataclasses.replace(SMALL, frames=1, jitter=0.0))
    np.testing.assert_array_equal(capture["offset"], [[0.0, 0.0]])
    assert capture["frames"].values.shape == (1, 48, 64)


@pytest.fixture(scope="module")
def long_truth():
    options = SimulateOptions(frames=300, height=320, width=320, warp=1.5, warp_scale=24.0)
    return simulate("moon", options)


def test_the_warp_has_the_rms_of_the_options_and_no_mean(long_truth):
    shift = long_truth["shift"]
    np.testing.assert_allclose(
        np.sqrt((shift**2).mean(("frame", "grid_y", "grid_x"))), 1.5, rtol=0.1
    )
    assert np.abs(shift.mean(("grid_y", "grid_x"))).max() < 1e-5


def test_the_warp_is_correlated_in_space_and_in_time(long_truth):
    # Divided by the amplitude of each frame, which changes with the seeing.
    shift = long_truth["shift"]
    shift = (shift / shift.std(("grid_y", "grid_x", "axis"))).values

    def correlation(a, b):
        return (a * b).mean()

    assert correlation(shift[1:], shift[:-1]) == pytest.approx(0.6, abs=0.03)
    assert correlation(shift[5:], shift[:-5]) == pytest.approx(0.6**5, abs=0.03)
    # 1/e at twice the scale: 48 px = 8 nodes.
    assert correlation(shift[:, 8:], shift[:, :-8]) == pytest.approx(np.exp(-1), abs=0.05)
    assert correlation(shift[:, 1:], shift[:, :-1]) > 0.95


def test_blur_stays_in_its_range_and_grows_with_the_warp(long_truth):
    blur = long_truth["blur"]
    low, high = long_truth.attrs["options"]["blur"]
    assert low <= blur.min() < 1.05 * low
    assert 0.95 * high < blur.max() <= high * (1 + 1e-6)
    within, between = blur.std(("grid_y", "grid_x")), blur.mean(("grid_y", "grid_x"))
    assert within.mean() > 0.2
    warp = long_truth["shift"].std(("grid_y", "grid_x", "axis"))
    assert np.corrcoef(between, warp)[0, 1] > 0.7


def test_air_may_be_smoother_than_the_frame_is_wide():
    for warp_scale in (40.0, 1000.0):
        shift = simulate("moon", dataclasses.replace(SMALL, warp_scale=warp_scale))["shift"]
        assert np.isfinite(shift).all()
        assert shift.std() > 0.5


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_grey_levels_scale_with_the_depth(bits):
    capture = simulate("moon", dataclasses.replace(STILL, **CLEAN | {"bits": bits}))
    frames = capture["frames"].values
    assert frames.dtype == (np.uint8 if bits == 8 else np.uint16)
    full_scale = 2**bits - 1
    assert frames.max() <= full_scale
    assert capture.attrs["black"] == pytest.approx(8 / 255 * full_scale)
    m = capture.attrs["margin"]
    blurred = ndimage.gaussian_filter(capture["scene"].values, 1.2)[m : m + 48, m : m + 64]
    np.testing.assert_allclose(brightness(capture)[0], blurred, atol=0.6 / full_scale + 2e-4)


@pytest.mark.parametrize("scene", Scene)
def test_without_warp_a_frame_is_the_scene_at_its_offset(scene):
    options = dataclasses.replace(SMALL, warp=0.0, blur=(0.9, 0.9), **CLEAN)
    capture = simulate(scene, options)
    blurred = ndimage.gaussian_filter(capture["scene"].values.astype(np.float64), 0.9)
    y, x = np.mgrid[:48.0, :64.0] + capture.attrs["margin"]
    for frame, offset in zip(brightness(capture), capture["offset"].values, strict=True):
        expected = ndimage.map_coordinates(blurred, [y - offset[0], x - offset[1]], order=5)
        np.testing.assert_allclose(frame, expected, atol=2e-2)
        assert np.sqrt(((frame - expected) ** 2).mean()) < 1e-3


@pytest.mark.parametrize("scene", Scene)
def test_with_warp_scene_points_show_where_the_truth_says(scene):
    options = SimulateOptions(
        frames=4, height=96, width=128, warp=1.5, warp_scale=24.0, blur=(1.2, 1.2), **CLEAN
    )
    capture = simulate(scene, options)
    blurred = capture["scene"].copy(data=ndimage.gaussian_filter(capture["scene"], 1.2))
    # The nodes of the grid that lie well inside every frame.
    inside = capture.sel(grid_y=slice(25, 70), grid_x=slice(25, 100))
    at_nodes = blurred.sel(scene_y=inside["grid_y"].values, scene_x=inside["grid_x"].values).values
    y, x = np.meshgrid(inside["grid_y"], inside["grid_x"], indexing="ij")
    for k, frame in enumerate(brightness(capture)):
        place = inside["offset"].values[k] + inside["shift"].values[k]
        seen = ndimage.map_coordinates(frame, [y + place[..., 0], x + place[..., 1]], order=5)
        np.testing.assert_allclose(seen, at_nodes, atol=1e-2)
        # Without the shift the comparison would fail.
        offset = inside["offset"].values[k]
        unshifted = ndimage.map_coordinates(frame, [y + offset[0], x + offset[1]], order=5)
        assert np.abs(unshifted - at_nodes).max() > 0.03


def test_a_smaller_blur_leaves_more_detail():
    options = dataclasses.replace(SMALL, height=160, width=160, frames=1, warp=0.0, **CLEAN)
    sharp, soft = (
        brightness(simulate("moon", dataclasses.replace(options, blur=(sigma, sigma))))[0]
        for sigma in (0.9, 2.6)
    )
    assert np.diff(sharp).std() > 1.5 * np.diff(soft).std()


def test_a_ser_file_holds_the_frames(tmp_path):
    from skry_dask.io.raw.ser import SerReader

    capture = simulate("moon", dataclasses.replace(SMALL, bits=12), frames_per_chunk=2)
    done = []
    write_capture(tmp_path / "moon.ser", capture, progress=done.append)
    reader = SerReader(tmp_path / "moon.ser")
    np.testing.assert_array_equal(reader.read(0, 5), capture["frames"])
    assert reader.info.bits == 12
    assert done == [1, 2, 3, 4, 5]


def test_an_avi_file_holds_the_frames(tmp_path):
    from skry_dask.io.raw.avi import AviReader

    capture = simulate("moon", SMALL, frames_per_chunk=2)
    write_capture(tmp_path / "moon.AVI", capture)
    np.testing.assert_array_equal(AviReader(tmp_path / "moon.AVI").read(0, 5), capture["frames"])


def test_frames_are_computed_a_few_at_a_time_while_they_are_written(tmp_path, monkeypatch):
    # The package has a function of the same name as the module.
    module = importlib.import_module("skry_dask.simulation.simulate")
    monkeypatch.setattr(module, "WRITE_BYTES", 2 * 48 * 64)
    max_bytes = 0

    def watch(dsk, keys, **kwargs):
        nonlocal max_bytes
        result = dask.get(dsk, keys, **kwargs)
        max_bytes = max(max_bytes, sum(np.size(block) for block in np.ravel(result)))
        return result

    with dask.config.set(scheduler=watch):
        write_capture(tmp_path / "moon.ser", simulate("moon", SMALL, frames_per_chunk=1))
    assert 0 < max_bytes <= 2 * 48 * 64


def test_an_unknown_suffix_is_refused_and_nothing_written(tmp_path):
    for name in ("moon.mp4", "moon"):
        with pytest.raises(OptionsError, match=r"it must be \.ser or \.avi"):
            write_capture(tmp_path / name, simulate("moon", SMALL))
        assert not (tmp_path / name).exists()


def test_an_avi_file_of_more_than_8_bits_is_refused(tmp_path):
    capture = simulate("moon", dataclasses.replace(SMALL, bits=12))
    with pytest.raises(OptionsError, match="AVI holds 8 bits, not 12"):
        write_capture(tmp_path / "moon.avi", capture)


def test_the_truth_is_written_beside_the_capture(tmp_path):
    capture = simulate("moon", SMALL)
    path = write_truth(tmp_path / "moon.ser", capture)
    assert path == tmp_path / "moon.truth.npz"
    assert list(tmp_path.iterdir()) == [path]
    names = {"scene": "scene", "offset": "offsets", "shift": "shifts", "blur": "blur"}
    with np.load(path) as truth:
        for name, key in names.items():
            np.testing.assert_array_equal(truth[key], capture[name])
        assert truth["margin"] == capture.attrs["margin"]
        assert truth["step"] == capture.attrs["grid_step"]


def test_options_need_neither_numpy_nor_dask():
    # The command line reads them to print its help.
    code = (
        "import sys, skry_dask.options.simulation\n"
        "print({'numpy', 'dask', 'xarray'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
