"""Refine: displacements measured against a first stack, weights of frames, when it is skipped."""

from __future__ import annotations

from itertools import product

import dask
import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

import skry_dask as skry
from skry_dask.errors import OptionsError
from tests.small_captures import capture_of, expose, texture

pytestmark = pytest.mark.usefixtures("one_thread")

N, HEIGHT, WIDTH = 20, 128, 150
SHIFT = np.random.default_rng(4).normal(0, 1, (N, 2))
"""True displacement at the middle of each frame, px."""
BLURRED = np.arange(N) % 2 == 1
INACTIVE = 7


def true_displacement(position):
    """A shear and a shift: (frame, point, axis), px."""
    slope = (np.asarray(position)[:, 1] - WIDTH / 2) / WIDTH
    return SHIFT[:, None] * (1 + slope[:, None])


FIELD = 96
"""Width of the field of a frame of a mosaic, px."""


def frames_of(light):
    """Every frame shows the scene displaced, every second one blurred."""
    y, x = np.indices(light.shape)
    frames = []
    for i in range(N):
        # Motion is slow across the frame, so that its value at the target will do.
        motion = true_displacement(np.stack([y.ravel(), x.ravel()], axis=1))[i].T
        at = np.stack([y, x]) - motion.reshape(2, *y.shape)
        seen = ndimage.gaussian_filter(light, 1.5) if BLURRED[i] else light
        frames.append(expose(ndimage.map_coordinates(seen, at, mode="nearest"), seed=i, noise=1))
    return np.stack(frames)


@pytest.fixture(scope="module")
def case():
    """A capture, its alignment, points whose displacements err by 0.6 px, and a first stack."""
    light = texture(HEIGHT, WIDTH, scale=2.0)
    alignment = xr.Dataset(
        {
            "offset": (("frame", "axis"), np.zeros((N, 2))),
            "active": (("frame",), np.arange(N) != INACTIVE),
        }
    )
    position = np.stack(np.meshgrid(np.arange(20, 120, 24.0), np.arange(20, 140, 24.0)), -1)
    position = position.reshape(-1, 2)
    errors = np.random.default_rng(5).normal(0, 0.6, (N, 1, 2))
    displacement = (true_displacement(position) + errors).astype(np.float32)
    displacement[INACTIVE] = np.nan
    points = xr.Dataset(
        {
            "position": (("point", "axis"), position),
            "displacement": (("frame", "point", "axis"), displacement),
            "channel_shift": (("frame", "channel", "axis"), np.zeros((N, 3, 2))),
        }
    )
    return capture_of(frames_of(light)), alignment, points, first_stack(light)


def first_stack(light):
    light = light + np.random.default_rng(6).normal(0, 1 / 255 / np.sqrt(6), light.shape)
    coords = {"y": np.arange(light.shape[0]), "x": np.arange(light.shape[1])}
    count = (("y", "x"), np.full(light.shape, 6))
    return xr.Dataset({"stack": (("y", "x"), light.astype(np.float32)), "count": count}, coords)


@pytest.fixture(scope="module")
def refined(case):
    with dask.config.set(scheduler="sync"):
        return skry.refine(*case).compute()


def test_displacements_that_err_are_corrected(case, refined):
    used = np.arange(N) != INACTIVE

    def error(points):
        off = points["displacement"].to_numpy() - true_displacement(points["position"])
        off -= off[used & ~BLURRED].mean(axis=0)
        return [float(np.sqrt((off[used & which] ** 2).mean())) for which in (~BLURRED, BLURRED)]

    assert min(error(case[2])) > 0.4
    assert error(refined)[0] < 0.1
    assert error(refined)[1] < 0.3
    assert refined["valid"].to_numpy()[used].mean() > 0.95


def test_sharp_frames_count_more_than_blurred_ones(refined):
    weight = refined["weight"].to_numpy().astype(float)
    used = np.arange(N) != INACTIVE
    assert weight[~BLURRED & used].mean() > 3 * weight[BLURRED & used].mean()
    assert (weight.max(axis=0) == 255).all()
    assert not weight[INACTIVE].any()
    assert np.isnan(refined["displacement"].to_numpy()[INACTIVE]).all()


def test_the_mean_over_frames_is_the_geometry_of_the_result(refined):
    np.testing.assert_allclose(refined["displacement"].mean("frame"), 0, atol=1e-4)


def test_results_are_points_for_a_stack(case, refined):
    capture, alignment = case[:2]
    shown = xr.Dataset(attrs={"options": {"area_size": 40}})
    stack = skry.stack(capture, alignment, shown, refined, skry.StackOptions(choose="weights"))
    stack = stack.compute()["stack"].to_numpy()
    light = case[3]["stack"].to_numpy()
    inner = (slice(24, -24),) * 2
    assert np.corrcoef(stack[inner].ravel(), light[inner].ravel())[0, 1] > 0.97
    assert refined["channel_shift"].variable.equals(case[2]["channel_shift"].variable)


def test_chunks_and_schedulers_do_not_change_a_bit(case, refined):
    capture, alignment, points, first = case
    for chunk, scheduler in product((1, 7, N), ("synchronous", "threads")):
        lazy = points.chunk({"frame": 5}) if chunk == 7 else points
        with dask.config.set(scheduler=scheduler):
            found = skry.refine(capture.chunk({"frame": chunk}), alignment, lazy, first).compute()
        assert found.identical(refined)


def test_points_of_the_track_phase_stay_where_tiles_show_nothing(case):
    capture, alignment, points, first = case
    dark = first.copy(deep=True)
    dark["stack"][:, WIDTH // 2 :] = np.nan
    found = skry.refine(capture, alignment, points, dark).compute()
    tracked = points["position"].to_numpy()
    kept = tracked[tracked[:, 1] > WIDTH / 2 + 24]
    assert len(kept)
    for place in kept:
        assert (found["position"].to_numpy() == place).all(axis=1).any()
    assert found["weight"].to_numpy().any(axis=0).all()


@pytest.fixture(scope="module")
def mosaic(case):
    """The same scene, of which each half of the frames shows another part: a mosaic."""
    capture, alignment, points, first = case
    left = np.where(np.arange(N) < N // 2, 0, WIDTH - FIELD)
    whole = capture["frames"].to_numpy()
    frames = np.stack([frame[:, x : x + FIELD] for frame, x in zip(whole, left, strict=True)])
    offset = np.stack([np.zeros(N), -left], axis=1).astype(float)
    alignment = alignment.assign(offset=(("frame", "axis"), offset), union=True)
    return capture_of(frames), alignment, points, first


def test_of_a_mosaic_each_frame_counts_where_it_shows_the_scene(case, mosaic):
    found = skry.refine(*mosaic).compute()
    used = np.arange(N) != INACTIVE
    truth = true_displacement(found["position"])
    # Tiles of 48 px: their centres are that far from the border of the field.
    x, weight = found["position"].to_numpy()[:, 1], found["weight"].to_numpy()
    tiles = np.arange(len(x)) < found.sizes["tile"]
    for frames, shown in (
        (np.arange(N) < N // 2, x <= FIELD - 24),
        (np.arange(N) >= N // 2, x >= WIDTH - FIELD + 24),
    ):
        sharp = frames & used & ~BLURRED
        inside = np.ix_(sharp, shown & tiles)
        off = found["displacement"].to_numpy() - truth
        # Displacements are relative to the mean over the frames that show a point.
        off -= np.nanmean(off[sharp], axis=0)
        assert np.sqrt((off[inside] ** 2).mean()) < 0.1
        assert found["valid"].to_numpy()[inside].mean() > 0.95
        assert weight[inside].mean() > 150
        assert not found["valid"].to_numpy()[np.ix_(sharp, ~shown)].any()
        far = tiles & (np.abs(x - x[shown & tiles, None]).min(axis=0) > 40)
        assert far.any()
        assert not weight[np.ix_(sharp, far)].any()
    assert np.isfinite(found["displacement"].to_numpy()[used]).all()
    with dask.config.set(scheduler="sync"):
        again = skry.refine(mosaic[0].chunk({"frame": 3}), *mosaic[1:]).compute()
    assert again.identical(found)


def test_colour_is_refined_by_its_grey(case, refined):
    capture, alignment, points, first = case
    frames = np.repeat(capture["frames"].to_numpy()[..., None], 3, axis=3)
    colour = first.assign(stack=first["stack"].expand_dims(channel=3, axis=2))
    found = skry.refine(capture_of(frames), alignment, points, colour).compute()
    np.testing.assert_allclose(found["displacement"], refined["displacement"], atol=0.02)


def changed(case, **changes):
    return [
        changes.get(k, v)
        for k, v in zip(("capture", "alignment", "points", "first"), case, strict=True)
    ]


def few_frames(case):
    return [*(data.isel(frame=slice(12)) for data in case[:3]), case[3]]


def small_field(case):
    return [*case[:3], case[3].isel(y=slice(40))]


def no_detail(case):
    return [*case[:3], case[3].assign(stack=case[3]["stack"] * 0 + 0.5)]


def still_image(case):
    capture, alignment, points, first = case
    frames = np.repeat(capture["frames"].to_numpy()[:1], N, axis=0)
    return (
        capture_of(frames),
        alignment,
        points.assign(displacement=points["displacement"] * 0),
        first,
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (few_frames, "only 11 frames are active: it takes 16 to weigh them"),
        (small_field, "the first stack is smaller than a tile of 48 px"),
        (no_detail, "the first stack shows nothing that could be followed"),
        (still_image, "all frames show the scene at the same place"),
        (None, "quick"),
    ],
)
def test_where_it_does_not_pay_points_stay_as_they_are(case, change, why):
    inputs = change(case) if change else case
    found = skry.refine(*inputs, skry.RefineOptions(quick=change is None))
    assert found.attrs["skipped"] == why
    assert found.drop_attrs().identical(inputs[2].drop_attrs())


def test_a_drizzled_first_stack_is_refused(case):
    fine = case[3].assign_coords(y=np.arange(HEIGHT) / 2, x=np.arange(WIDTH) / 2)
    with pytest.raises(OptionsError, match="2 px for each pixel of the camera: give one without"):
        skry.refine(*case[:3], fine)
