"""Partial stacks: images of the best 1, 2, 5... frames, and how noisy and sharp they are."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr

import skry_dask as skry
from skry_dask.errors import OptionsError
from skry_dask.phases.partial_stacks import noise_and_sharpness, partial_stacks
from tests.phase_results import known_results
from tests.small_captures import texture

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def noisy():
    """Twenty-four frames of a drifting scene with noise of 8 grey levels."""
    rng = np.random.default_rng(2)
    scene = 40 + 160 * texture(110, 140, scale=3)
    shifts = [(0, 0), (6, -9), (-12, 5), (3, 20), (-4, -14), (8, 8)] * 4
    frames = np.rint([scene[25 - y :, 25 - x :][:70, :90] for y, x in shifts])
    frames = np.clip(frames + rng.normal(size=frames.shape) * 8, 0, 255).astype(np.uint8)
    return known_results(frames, shifts, quality=rng.random((24, 1)))


def on_union(case):
    """The same case, with the canvas "union"."""
    capture, alignment, quality, _ = case
    per_frame = quality["frame_quality"].to_numpy()[:, None]
    frames, offset = capture["frames"].to_numpy(), alignment["offset"].to_numpy()
    return known_results(frames, offset, quality=per_frame, canvas="union")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"choose": "frames", "normalise": True},
        {"drizzle": 2.0, "union": True},
        {"interpolation": "bilinear", "union": True},
        {"halves": True, "union": True},
    ],
)
def test_each_step_is_the_stack_of_that_many_frames(noisy, options):
    numbers = [1, 3, 7, 24]
    options = dict(options)
    noisy = on_union(noisy) if options.pop("union", False) else noisy
    steps = partial_stacks(*noisy, skry.StackOptions(**options), numbers).compute()
    np.testing.assert_array_equal(steps["number"], numbers)
    for i, number in enumerate(numbers):
        alone = skry.stack(*noisy, skry.StackOptions(number=number, **options)).compute()
        names = ["stack", "count", "half_stack"] if "half_stack" in steps else ["stack", "count"]
        for name in names:
            xr.testing.assert_equal(steps[name][i].drop_vars("number"), alone[name])


@pytest.mark.parametrize("canvas", ["overlap", "union"])
def test_weighted_frames_are_taken_in_the_order_of_their_weights(canvas):
    rng = np.random.default_rng(5)
    frames = rng.integers(0, 200, (8, 50, 64)).astype(np.uint8)
    weight = np.array([90, 3, 255, 40, 0, 180, 120, 7])

    def case(active):
        *before, points = known_results(frames, np.zeros((8, 2)), active=active, canvas=canvas)
        everywhere = np.repeat(weight[:, None], points.sizes["point"], axis=1)
        weights = ("frame", "point"), everywhere.astype(np.uint8)
        return *before, points.assign(weight=weights)

    numbers = [1, 3, 8]
    steps = partial_stacks(*case(np.ones(8, bool)), skry.StackOptions(halves=True), numbers)
    for i, number in enumerate(numbers):
        best = np.isin(np.arange(8), np.argsort(-weight)[:number])
        alone = skry.stack(*case(best), skry.StackOptions(halves=True))
        for name in ("stack", "count", "half_stack"):
            np.testing.assert_array_equal(steps[name][i], alone[name])


def test_colour_captures_have_colour_steps():
    frames = np.random.default_rng(3).integers(0, 255, (6, 40, 50), np.uint8)
    quality = np.arange(6)[:, None]
    case = known_results(frames, np.zeros((6, 2)), quality=quality, cfa="RGGB", bits=8)
    steps = partial_stacks(*case, numbers=[1, 4])
    assert steps["stack"].dims == ("step", "y", "x", "channel")
    alone = skry.stack(*case, skry.StackOptions(number=4))
    np.testing.assert_array_equal(steps["stack"][1], alone["stack"])
    assert steps["stack"].dtype == np.float32


@pytest.mark.parametrize("halves", [False, True])
def test_noise_falls_with_the_square_root_of_the_number(noisy, halves):
    options = skry.StackOptions(halves=halves, interpolation="bilinear")
    steps = partial_stacks(*noisy, options, numbers=[1, 4, 16]).compute()
    noise = steps["noise"].to_numpy()
    if halves:  # a single frame has no other half
        assert np.isnan(noise[0])
        assert noise[1] / noise[2] == pytest.approx(2, rel=0.2)
        return
    np.testing.assert_allclose(noise[:-1] / noise[1:], 2, rtol=0.2)
    assert noise[0] == pytest.approx(8 / 255, rel=0.2)
    assert (np.diff(steps["sharpness"]) < 0).all()


def test_steps_beyond_the_capture_repeat_the_last_image(noisy):
    steps = partial_stacks(*noisy, numbers=[24, 100]).compute()
    np.testing.assert_array_equal(steps["stack"][0], steps["stack"][1])
    assert int(steps["count"].max()) == 24


def test_results_are_lazy_with_the_documented_types_and_shapes(noisy):
    steps = partial_stacks(*noisy, numbers=[1, 2])
    computed = steps.compute()
    for name, dtype in (
        ("stack", np.float32),
        ("count", np.int32),
        ("noise", np.float64),
        ("sharpness", np.float64),
    ):
        assert dask.is_dask_collection(steps[name].data)
        assert steps[name].dtype == computed[name].dtype == dtype
        assert steps[name].shape == computed[name].shape


@pytest.mark.parametrize("numbers", [[], [0, 1], [5, 2], [2, 2], [1.5], ["many"], [-1], [1, 2**31]])
def test_numbers_that_do_not_increase_from_1_are_refused(noisy, numbers):
    with pytest.raises(OptionsError, match=r"numbers is .*increasing whole numbers of frames"):
        partial_stacks(*noisy, numbers=numbers)


def test_figures_are_those_of_known_noise_inside_the_window():
    rng = np.random.default_rng(4)
    images = np.full((2, 3, 80, 90), np.nan, np.float32)
    images[:, :, 10:70, 10:80] = 0.5
    images[1] += (rng.normal(size=(80, 90)) * 0.02).astype(np.float32)
    figures = noise_and_sharpness(images, (slice(10, 70), slice(10, 80)), 3)
    np.testing.assert_allclose(figures[0], [0, 0], atol=1e-4)
    assert figures[1, 0] == pytest.approx(0.02, rel=0.1)
    assert figures[1, 1] == pytest.approx(0.02 * np.sqrt(2 / np.pi), rel=0.1)
