"""Masters are exact means of frames, and videos that cannot be masters are refused."""

import dask
import numpy as np
import pytest

from skry_dask.capture.calibration.frame_means import master_dark, master_flat, sampled_mean
from skry_dask.errors import OptionsError, ReaderError
from tests.still_captures import CFA, KINDS, SHAPE, capture_of, still_capture, vignetting

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_master_dark_is_the_mean_of_all_frames(kind):
    shape = (7, *SHAPE, 3) if kind == "colour" else (7, *SHAPE)
    frames = RNG.integers(0, 4096, shape, np.uint16)
    capture = capture_of(frames, bits=12, **({"cfa": CFA} if kind == "mosaic" else {}))
    made = master_dark(capture)
    assert dask.is_dask_collection(made["master"].data)
    expected = (frames.astype(np.int64).sum(axis=0) / (7 * 4095)).astype(np.float32)
    assert made["master"].dtype == np.float32
    np.testing.assert_array_equal(made["master"], expected)
    assert made["master"].dims == capture["frames"].dims[1:]
    assert made["n_frames"] == 7
    for chunks in (1, 3, 7):
        other = master_dark(capture.chunk({"frame": chunks}))["master"]
        np.testing.assert_array_equal(other, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_master_flat_is_the_mean_minus_the_dark(kind, save):
    dark = 0.04 * vignetting()
    light = 140 * vignetting() + 255 * dark
    capture = still_capture(kind, light)
    made = master_flat(capture, save("dark.tif", dark))
    frame = capture["frames"].to_numpy()[0] / 255
    levels = dark[..., None] if kind == "colour" else dark
    np.testing.assert_allclose(made["master"], frame - levels, atol=1e-6)
    np.testing.assert_array_equal(made["master"], master_flat(capture, dark)["master"])
    np.testing.assert_allclose(master_flat(capture)["master"], frame, atol=1e-6)
    assert made.attrs["problems"] == []


def test_a_master_flat_of_a_bad_video_is_refused(save):
    def refused(image, dark=None):
        with pytest.raises(OptionsError) as error:
            master_flat(still_capture("mono", image, source="flat.ser"), dark)
        return str(error.value)

    assert refused(np.minimum(400 * vignetting(), 255)) == (
        "flat.ser: 98% of the pixels are white, so the flat is overexposed: record it at about "
        "half of full scale"
    )
    assert refused(np.full(SHAPE, 10)) == (
        "flat.ser: the median of the flat is 3.9% of full scale: record it at about half of full "
        "scale"
    )
    uneven = 150 * vignetting()
    uneven[:, :10] = 3
    assert refused(uneven) == (
        "flat.ser is not a flat: 14% of the pixels of a colour got no light: give an image of an "
        "evenly lit field"
    )
    assert refused(100 * vignetting(), np.full(SHAPE, 0.45, np.float32)).startswith(
        "the dark: the dark (mean 114.8 grey levels) is not darker than the frames of flat.ser"
    )
    assert refused(100 * vignetting(), np.zeros((3, 4))) == (
        "the dark is 4 x 3 px, frames are 74 x 60 px: give a master made with the same camera "
        "settings"
    )
    assert refused(100 * vignetting(), np.zeros(4)) == (
        "the dark has the shape (4,): give an image (y, x) or (y, x, 3)"
    )


def test_captures_without_frames_are_refused():
    empty = capture_of(np.empty((0, *SHAPE), np.uint8))
    for function in (master_dark, master_flat, lambda capture: sampled_mean(capture, 5)):
        with pytest.raises(ReaderError, match=r"^moon\.ser has no frames: record it again$"):
            function(empty)
