"""How frames get onto the canvas."""

from skry_dask.capture.calibration.develop import COLOURS, GREY, Developer
from skry_dask.phases.stacking.resampling import (
    UNBOUNDED_INCREMENT,
    Drizzled,
    Interpolated,
    colour_sites,
)


def test_each_colour_has_its_pixels_of_the_mosaic():
    developer = Developer("uint8", black=0, white=255, cfa="GRBG")
    found = [colour_sites(developer, plane).tolist() for plane in (*COLOURS, GREY)]
    assert found == [[[0, 1], [0, 0]], [[1, 0], [0, 1]], [[0, 0], [1, 0]], [[1, 1], [1, 1]]]


def test_only_sharp_bilinear_restores_contrast():
    names = ("bilinear", "sharp-bilinear", "cubic", "sharp-cubic", "lanczos3")
    assert [n for n in names if Interpolated(n).restores_contrast] == ["sharp-bilinear"]


def test_pixels_are_counted_one_by_one_where_counts_differ_within_a_fragment():
    assert not Interpolated("cubic").counts_pixels
    assert Interpolated("cubic", inside_only=True).counts_pixels
    assert Drizzled(2.0, 0.7).counts_pixels


def test_what_a_frame_adds_is_bounded_for_interpolation_only():
    assert 255 << 6 < Interpolated("cubic").max_increment(255) < UNBOUNDED_INCREMENT
    assert Drizzled(2.0, 0.7).max_increment(255) == UNBOUNDED_INCREMENT
