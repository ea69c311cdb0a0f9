"""Masters that do not fit the frames, or are not masters, are refused in words."""

import numpy as np
import pytest

from skry_dask.capture.calibration import masters
from skry_dask.capture.calibration.calibrate import calibrate
from skry_dask.errors import OptionsError, ReaderError
from skry_dask.io.images.read import ImageFile
from skry_dask.options import CalibrationOptions
from tests.still_captures import SHAPE, still_capture, vignetting

RNG = np.random.default_rng(5)


def refusal(capture, **options):
    with pytest.raises(OptionsError) as error:
        calibrate(capture, CalibrationOptions(**options))
    return str(error.value)


def test_masters_of_another_size_are_refused(save):
    capture = still_capture("mono", np.full(SHAPE, 100))
    small = np.full((48, 64), 0.5)
    assert refusal(capture, flat=save("flat.tif", small)) == (
        "flat.tif is 64 x 48 px, frames are 74 x 60 px: give a master made with the same camera "
        "settings"
    )
    crop = capture.isel(y=slice(10, 60), x=slice(7, 70))
    assert refusal(crop, dark=save("dark.tif", small)) == (
        "dark.tif is 64 x 48 px, frames are 63 x 50 px, from row 10 and column 7: give a master "
        "made with the same camera settings"
    )


def test_a_larger_master_is_used_from_its_corner_and_that_is_told(save):
    capture = still_capture("mono", np.full(SHAPE, 100))
    dark = 0.02 + 0.01 * RNG.random((70, 80))
    options = CalibrationOptions(dark=save("dark.tif", dark), hot_pixels="none")
    calibrated = calibrate(capture, options)
    np.testing.assert_allclose(calibrated["dark"], 255 * dark[:60, :74], rtol=1e-6)
    assert calibrated.attrs["problems"][1:] == [
        "dark.tif is 80 x 70 px, larger than the frames (74 x 60 px): its upper left corner is "
        "used."
    ]


def test_masters_of_other_colours_are_refused(save, monkeypatch):
    save("flat.tif", np.full((*SHAPE, 3), 0.5))
    assert refusal(still_capture("mono", np.full(SHAPE, 100)), flat="flat.tif") == (
        "flat.tif is a colour image, frames are grey: give a master made of such frames"
    )
    mosaic = still_capture("mosaic", np.full(SHAPE, 100))
    assert refusal(mosaic, flat="flat.tif") == (
        "flat.tif is a colour image, frames are raw colour: give a master made of such frames"
    )
    raw = ImageFile(np.full(SHAPE, 0.5), 1.0, "RGGB", {})
    monkeypatch.setattr(masters, "read_image", lambda path: raw)
    assert refusal(mosaic, flat="flat.fits") == (
        "flat.fits has the colour filter array RGGB, frames have GRBG there: give a master made "
        "with the same camera settings"
    )
    assert refusal(still_capture("colour", np.full(SHAPE, 100)), dark="dark.fits") == (
        "dark.fits is raw colour (RGGB), frames have red, green and blue: give a master made of "
        "such frames"
    )
    # Mono frames have no pattern to compare; without its first column, the frames' is the master's.
    calibrate(still_capture("mono", np.full(SHAPE, 100)), CalibrationOptions(flat="flat.fits"))
    raw = ImageFile(np.full((60, 73), 0.5), 1.0, "RGGB", {})
    calibrate(mosaic.isel(x=slice(1, None)), CalibrationOptions(flat="flat.fits"))


def test_values_that_are_not_numbers_are_refused(save):
    image = np.full(SHAPE, 0.1)
    image[3, 4], image[5, 6] = np.nan, np.inf
    assert refusal(still_capture("mono", np.full(SHAPE, 100)), dark=save("dark.tif", image)) == (
        "dark.tif: 2 of its values are not numbers: make the dark again"
    )


def test_darks_with_light_are_refused(save):
    capture = still_capture("mono", np.full(SHAPE, 100))
    assert refusal(capture, dark=save("dark.tif", np.full(SHAPE, 0.4))) == (
        "dark.tif: the dark (mean 102.0 grey levels) is not darker than the frames of moon.ser "
        "(mean 100.0): give a dark of the same exposure and gain"
    )
    assert refusal(capture, dark=save("dark.tif", np.full(SHAPE, 0.6))) == (
        "dark.tif: the mean of the dark is 153.0 grey levels of 255: give an image taken without "
        "light"
    )


def test_images_that_cannot_be_flats_are_refused(save):
    capture = still_capture("mono", np.full(SHAPE, 100))
    flat = 0.5 * vignetting()
    flat[:9] = 0.001
    assert refusal(capture, flat=save("flat.tif", flat)) == (
        "flat.tif is not a flat: 15% of the pixels of a colour got no light: give an image of an "
        "evenly lit field"
    )
    assert "100% of the pixels" in refusal(capture, flat=save("flat.tif", np.zeros(SHAPE)))
    flat = np.minimum(2 * vignetting(), 1)
    assert refusal(capture, flat=save("flat.png", flat)).endswith(
        "of the pixels are white, so the flat is overexposed: record it at about half of full scale"
    )
    # As other programs write them: scaled to a mean of 1.
    calibrate(
        capture, CalibrationOptions(flat=save("flat.tif", vignetting() / vignetting().mean()))
    )


def test_a_missing_master_is_a_reader_error(save):
    with pytest.raises(ReaderError, match=r"nowhere\.tif"):
        calibrate(
            still_capture("mono", np.full(SHAPE, 100)), CalibrationOptions(dark="nowhere.tif")
        )
