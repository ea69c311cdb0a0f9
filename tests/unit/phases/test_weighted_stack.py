"""A stack in which every frame counts at each pixel with its weight there."""

from __future__ import annotations

from itertools import product

import dask
import numpy as np
import pytest
import xarray as xr

import skry_dask as skry
from skry_dask.errors import OptionsError
from skry_dask.phases.stacking.stack_plan import StackPlan
from skry_dask.store.content import digest_of_content
from tests.phase_results import known_results

pytestmark = pytest.mark.usefixtures("one_thread")

N = 7
OFFSETS = np.array([(0, 0), (1.3, -2.6), (-3, 2), (0.5, 4), (-1, -3.5), (2, 2), (0.25, 0.75)])
KINDS = (
    {},
    {"interpolation": "cubic"},
    {"drizzle": 2},
    {"normalise": True},
)


def case_of(frames, weight, **options):
    """Give weights to the frames of known results: uint8 (frame, point)."""
    capture, alignment, quality, points = known_results(frames, OFFSETS, **options)
    n_points = points.sizes["point"]
    weight = np.broadcast_to(weight, (N, n_points)).astype(np.uint8)
    return capture, alignment, quality, points.assign(weight=(("frame", "point"), weight))


def weighted(case, **options):
    return skry.stack(*case, skry.StackOptions(choose="weights", **options))


def frames_of(seed=1):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 200, (N, 50, 64)).astype(np.uint8)


def random_weights(seed=2):
    n_points = known_results(frames_of(), OFFSETS)[3].sizes["point"]
    return np.random.default_rng(seed).integers(0, 256, (N, n_points))


def test_equal_frames_stack_to_themselves_with_any_weights():
    frames = np.full((N, 50, 64), 137, np.uint8)
    for options in KINDS:
        found = weighted(case_of(frames, random_weights()), **options).compute()
        plain = skry.stack(*case_of(frames, 1), skry.StackOptions(percent=100, **options)).compute()
        np.testing.assert_array_equal(found["stack"], plain["stack"])


def test_weights_of_a_union_leave_no_pixel_empty_that_a_frame_shows():
    frames = np.full((N, 50, 64), 137, np.uint8)
    case = case_of(frames, random_weights(), canvas="union")
    found, plain = (
        weighted(case),
        skry.stack(*case, skry.StackOptions(choose="fragments", percent=100)),
    )
    np.testing.assert_array_equal(found["stack"], plain["stack"])
    assert found["stack"].isnull().any()


def test_equal_weights_are_the_mean_of_all_frames():
    for options in KINDS:
        everything = skry.StackOptions(choose="fragments", percent=100, **options)
        plain = skry.stack(*case_of(frames_of(), 1), everything)
        for weight in (255, 17, 0):
            found = weighted(case_of(frames_of(), weight), **options).compute()
            np.testing.assert_allclose(found["stack"], plain["stack"], atol=2e-3, equal_nan=True)
            share = max(weight, 1) / 255
            np.testing.assert_allclose(found["count"], plain["count"] * share, rtol=0.02, atol=1e-6)


def test_a_frame_that_weighs_nothing_counts_nothing():
    weight = random_weights()
    weight[3] = 0
    frames, others = frames_of(), frames_of()
    others[3] = 255
    for options in ({}, {"interpolation": "lanczos3"}, {"drizzle": 1.5}):
        first, second = (
            weighted(case_of(f, weight), **options).compute() for f in (frames, others)
        )
        assert first.identical(second)
        assert first["fragments"][3] == 0
    assert (first["fragments"][[0, 1, 2, 4, 5, 6]] > 0).all()


def test_a_point_without_weights_leaves_no_hole():
    weight = random_weights()
    weight[:, ::2] = 0
    weight[1:, 1] = 0
    for options in KINDS:
        found = weighted(case_of(frames_of(), weight), **options).compute()
        plain = skry.stack(*case_of(frames_of(), 1), skry.StackOptions(percent=100, **options))
        np.testing.assert_array_equal(np.isnan(found["stack"]), np.isnan(plain["stack"]))
        assert (found["count"].to_numpy()[~np.isnan(found["stack"])] > 0).all()
        assert found.attrs["note"].startswith("all frames count alike at 2 of 3 points, because")
    assert "note" not in weighted(case_of(frames_of(), random_weights())).attrs


def test_weights_count_unless_fragments_or_frames_are_chosen():
    case = case_of(frames_of(), random_weights())
    xr.testing.assert_identical(skry.stack(*case).compute(), weighted(case).compute())
    for choice in ({"choose": "fragments"}, {"choose": "frames"}):
        found, plain = (
            skry.stack(*inputs, skry.StackOptions(**choice)).compute()
            for inputs in (case, known_results(frames_of(), OFFSETS))
        )
        xr.testing.assert_identical(found, plain)


def test_chunks_schedulers_and_windows_do_not_change_a_bit():
    weight = random_weights()
    for options in KINDS:
        whole = weighted(case_of(frames_of(), weight), **options).compute()
        for chunks, scheduler in product((1, N), ("synchronous", "threads")):
            lazy = weighted(case_of(frames_of(), weight, chunks=chunks), **options)
            with dask.config.set(scheduler=scheduler):
                assert lazy.compute().identical(whole)
                window = {"y": slice(5, 17), "x": slice(11, 30)}
                part = lazy[["stack", "count"]].isel(window).compute()
            assert part.identical(whole[["stack", "count"]].isel(window))


def test_a_weight_moves_the_mean_towards_its_frame():
    frames = np.zeros((N, 50, 64), np.uint8)
    frames[2] = 200
    weight = np.full(N, 50)[:, None]
    weight[2] = 100
    found = weighted(case_of(frames, weight), interpolation="bilinear").compute()
    np.testing.assert_allclose(found["stack"], 200 / 255 * 100 / 400, rtol=1e-5)
    np.testing.assert_allclose(found["count"], 400 / 255, rtol=1e-5)


def test_sums_are_not_found_again_where_text_or_points_without_weights_change_them():
    def key(weight, *text):
        capture, *results = case_of(frames_of(), weight)
        overlay = np.zeros((50, 64), bool)
        overlay[text] = True
        plan = StackPlan.of(
            capture.assign(overlay=(("y", "x"), overlay)),
            *results,
            skry.StackOptions(choose="weights"),
        )
        return digest_of_content(*plan.content)

    none, text = (slice(0), slice(0)), (slice(20, 30), slice(5, 20))
    weight = random_weights()
    nowhere = weight.copy()
    nowhere[:, 0] = 0
    keys = [key(weight, *none), key(nowhere, *none), key(weight, *text)]
    assert key(weight.copy(), *none) == keys[0]
    assert len(set(keys)) == len(keys)


def test_weights_in_a_store_give_the_bits_of_those_in_memory(tmp_path, monkeypatch):
    capture, *results, points = case_of(frames_of(), random_weights())
    text = np.zeros((50, 64), bool)
    text[20:30, 5:20] = True
    capture = capture.assign(overlay=(("y", "x"), text))
    points["weight"][:, 0] = 0
    points.to_zarr(tmp_path / "points.zarr", consolidated=False)
    stored = xr.open_zarr(tmp_path / "points.zarr", chunks=None, consolidated=False)
    monkeypatch.setattr("skry_dask.store.results.tables.LARGE_BYTES", 0)
    window = {"y": slice(5, 17), "x": slice(11, 30)}
    whole, found = (weighted((capture, *results, of), drizzle=2) for of in (points, stored))
    assert not stored["weight"].variable._in_memory
    assert found.compute().identical(whole.compute())
    for name in ("stack", "count"):
        assert found[name].isel(window).compute().identical(whole[name].isel(window).compute())


def test_points_without_weights_are_refused_with_a_remedy():
    case = known_results(frames_of(), OFFSETS)
    with pytest.raises(OptionsError, match=r"there are none .*: choose fragments or frames"):
        weighted(case)
    case[3]["weight"] = ("frame", "point"), np.ones((N, case[3].sizes["point"]))
    with pytest.raises(OptionsError, match=r"weight of points is float64: it must be uint8"):
        weighted(case)


def test_where_text_hides_the_scene_frames_hardly_count():
    case = case_of(np.full((N, 50, 64), 137, np.uint8), 255)
    plain = weighted(case).compute()
    text, hot_pixel = np.zeros((2, 50, 64), bool)
    text[20:30, 5:20] = hot_pixel[15, 16] = True
    for overlay, least, most in ((text, 0.1, N / 4), (hot_pixel, N, N)):
        masked = case[0].assign(overlay=(("y", "x"), overlay))
        found = weighted((masked, *case[1:])).compute()
        np.testing.assert_array_equal(found["stack"], plain["stack"])
        count = found["count"].sel(y=slice(22, 28), x=slice(9, 14))
        assert least <= count.min() <= count.max() <= most
