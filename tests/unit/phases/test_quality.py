"""Quality: sharp frames and areas have a high one, and the images are made of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import skry_dask as skry
from skry_dask.errors import AlignmentError
from tests.phase_results import ALIGN
from tests.small_captures import capture_of, expose, texture

pytestmark = pytest.mark.usefixtures("one_thread")


def test_quality_is_highest_where_the_air_was_calm():
    light = texture(96, 128)
    blurs = (2, 0.5, 1)
    frames = [expose(ndimage.gaussian_filter(light, blur), seed=i) for i, blur in enumerate(blurs)]
    capture = capture_of(frames)
    quality = skry.estimate_quality(capture, skry.align(capture, ALIGN)).compute()
    order = np.argsort(quality["frame_quality"].to_numpy())
    np.testing.assert_array_equal(order, [0, 2, 1])
    assert (quality["best_frame"] == 1).all()


def test_statistics_are_those_of_the_quality_of_areas(results):
    quality = results.quality
    of_areas = quality["area_quality"]
    np.testing.assert_array_equal(quality["max"], of_areas.max("frame"))
    np.testing.assert_array_equal(quality["min"], of_areas.min("frame"))
    np.testing.assert_allclose(quality["mean"], of_areas.mean("frame"), rtol=1e-6)


def test_the_composite_shows_each_area_as_its_best_frame_does(moon12):
    alignment = skry.align(moon12, ALIGN).compute()
    alignment["offset"] = alignment["offset"].round()
    quality = skry.estimate_quality(moon12, alignment).compute()
    y, x = quality["y"].to_numpy(), quality["x"].to_numpy()
    for area, best in enumerate(quality["best_frame"].to_numpy()):
        middle = [round(float(quality[f"area_{axis}"][area])) for axis in "yx"]
        down, right = alignment["offset"].to_numpy()[best].astype(int)
        seen = moon12["frames"][best, middle[0] + down, middle[1] + right].compute()
        shown = quality["composite"][middle[0] - y[0], middle[1] - x[0]]
        assert float(shown) == pytest.approx(float(seen) / 255, abs=1e-6)


def test_inactive_frames_have_no_quality(spoiled_results, bad, good):
    quality = spoiled_results.quality
    for name in ("area_quality", "blended_quality", "frame_quality"):
        assert np.isnan(quality[name].to_numpy()[bad]).all()
        assert np.isfinite(quality[name].to_numpy()[good]).all()
    assert not np.isin(quality["best_frame"], bad).any()


def test_areas_are_labelled_with_their_centre_on_the_canvas(results):
    quality = results.quality
    assert quality["area_y"].dims == quality["area_x"].dims == ("area",)
    y, x = quality["y"].to_numpy(), quality["x"].to_numpy()
    assert quality["area_y"][0] == y[0] + 19.5
    assert quality["area_x"][0] == x[0] + 19.5
    assert quality["area_x"].max() < x[-1] + 0.5


def test_a_capture_without_active_frames_is_refused_with_counts_and_a_remedy():
    capture = capture_of(np.zeros((4, 80, 100), np.uint8)).assign_attrs(source="night.ser")
    alignment = skry.align(capture, ALIGN)
    with pytest.raises(AlignmentError, match=r"night\.ser: no frame .*4 nothing to see.*--method"):
        skry.estimate_quality(capture, alignment)


def test_active_frames_that_hardly_overlap_are_refused_with_a_remedy(moon12, results):
    alignment = results.alignment.copy(deep=True)
    alignment["offset"][5] = [0, 200]
    with pytest.raises(AlignmentError, match=r"have only \d+ x \d+ px in common.*--min-overlap"):
        skry.estimate_quality(moon12, alignment)
