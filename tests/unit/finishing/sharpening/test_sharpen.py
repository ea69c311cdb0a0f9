"""Sharpened images: more like the scene, without rings, the same for all chunks."""

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

import skry_dask as skry
from skry_dask.errors import OptionsError
from skry_dask.finishing.sharpening.sharpen import measure_image, sharpen_window
from skry_dask.io.images.write import write_image
from skry_dask.options.sharpening import SharpenMethod

METHODS = [method for method in SharpenMethod if method != "none"]
BLUR = 1.8


def scene(shape=(150, 160), seed=1):
    """Detail of all sizes, 0.2 to 0.6."""
    rng = np.random.default_rng(seed)
    detail = sum(
        2**n * ndimage.gaussian_filter(rng.normal(size=shape), 2**n) for n in (0.5, 1, 2, 3)
    )
    return (0.4 + 0.2 * detail / np.abs(detail).max()).astype(np.float32)


def blurred(image, noise=0.0, seed=2):
    rng = np.random.default_rng(seed)
    soft = ndimage.gaussian_filter(image, BLUR)
    return (soft + rng.normal(scale=noise, size=image.shape)).astype(np.float32)


@pytest.mark.parametrize("method", METHODS[1:])  # the automatic one has tests of its own
def test_a_sharpened_image_is_more_like_the_scene(method):
    truth = scene()
    soft = blurred(truth, 2e-4)
    sharp = skry.sharpen(soft, skry.SharpenOptions(method=method))
    inner = np.s_[20:-20, 20:-20]

    def error(image):
        fit = np.polyfit(image[inner].ravel(), truth[inner].ravel(), 1)
        return np.std(np.polyval(fit, image[inner]) - truth[inner])

    # The gains of wavelets do not know how an image was blurred.
    assert error(sharp) < (0.97 if method == "wavelets" else 0.85) * error(soft)
    assert sharp.mean() == pytest.approx(soft.mean(), rel=0.01)


@pytest.mark.parametrize("method", METHODS)
def test_a_limb_overshoots_by_3_percent_of_the_step_at_most(method):
    disc = 0.9 * (np.hypot(*np.mgrid[-90:90, -95:95]) < 60).astype(np.float32)
    sharp = skry.sharpen(blurred(disc), skry.SharpenOptions(method=method))
    assert sharp.max() < 0.9 * 1.035
    assert sharp.min() > -1e-5


@pytest.mark.parametrize("method", METHODS)
def test_spots_beside_a_limb_are_sharpened_and_not_cut_off(method):
    radius = np.hypot(*np.mgrid[-60:60, -60:60])
    disc = (0.5 * (radius < 45)).astype(np.float32)
    spots = disc.copy()
    for y, x in ((60, 32), (85, 73), (40, 70)):  # 17 to 29 px from the limb
        spots[y : y + 3, x : x + 3] += 0.2
    options = skry.SharpenOptions(method=method)
    soft, sharp = (
        after - before
        for before, after in (
            (blurred(disc), blurred(spots)),
            (skry.sharpen(blurred(disc), options), skry.sharpen(blurred(spots), options)),
        )
    )
    for y, x in ((61, 33), (86, 74), (41, 71)):
        assert sharp[y, x] > 1.25 * soft[y, x]


def test_chunks_kinds_of_arrays_and_channels_make_no_difference(monkeypatch):
    monkeypatch.setattr("skry_dask.finishing.sharpening.tiles.TILE", 64)
    image = blurred(scene((120, 90)), 1e-3)
    for method in METHODS:
        options = skry.SharpenOptions(method=method)
        whole = skry.sharpen(image, options)
        lazy = skry.sharpen(da.from_array(image, chunks=(50, 37)), options)
        assert isinstance(lazy, da.Array)
        np.testing.assert_array_equal(lazy.compute(scheduler="sync"), whole)
    labelled = xr.DataArray(np.stack([image] * 3, -1), dims=("y", "x", "channel"))
    found = skry.sharpen(labelled, options)
    assert found.dims == ("y", "x", "channel")
    np.testing.assert_array_equal(found[..., 1], whole)


def test_what_an_image_is_made_of_is_computed_once_unless_it_is_large(monkeypatch):
    monkeypatch.setattr("skry_dask.finishing.sharpening.tiles.TILE", 32)
    image, reads = scene((100, 90)), []

    def read():
        reads.append(1)
        return image

    lazy = da.from_delayed(dask.delayed(read)(), image.shape, image.dtype)
    whole = skry.sharpen(lazy, halves=(lazy, lazy)).compute(scheduler="sync")
    assert len(reads) == 1
    # Larger ones are not kept: levels, resolution, limbs and tiles.
    monkeypatch.setattr("skry_dask.finishing.sharpening.sharpen.KEPT_BYTES", 0)
    reads.clear()
    with dask.config.set(scheduler="sync"):
        large = skry.sharpen(lazy, halves=(lazy, lazy)).compute()
    assert len(reads) == 4
    np.testing.assert_array_equal(large, whole)


@pytest.mark.parametrize("method", ["richardson-lucy", "wiener"])
def test_tiles_leave_no_seams(method, monkeypatch):
    image = blurred(scene((200, 180)), 1e-3)
    options = skry.SharpenOptions(method=method)
    whole = skry.sharpen(image, options)
    monkeypatch.setattr("skry_dask.finishing.sharpening.tiles.TILE", 90)
    np.testing.assert_allclose(skry.sharpen(image, options), whole, atol=0.5 / 65535)


def test_half_stacks_show_noise_that_the_image_alone_hides():
    # Detail everywhere: without halves, the quietest places are taken for noise.
    image = scene()
    rng = np.random.default_rng(5)
    noise = rng.normal(scale=0.02, size=(2, *image.shape))
    even, odd = (image + part for part in noise)
    options = skry.SharpenOptions(method="wavelets", thresholds=(3, 3, 3, 0, 0, 0))
    stack = (even + odd) / 2
    known = skry.sharpen(stack, options, halves=(even, odd))
    clean = skry.sharpen(stack, options, halves=(stack, stack))
    assert np.std(np.diff(known)) < 0.5 * np.std(np.diff(clean))


@pytest.mark.parametrize("method", SharpenMethod)
def test_gaps_stay_gaps_and_make_no_rings(method):
    image = np.full((70, 80), 0.5, np.float32)
    image[:, 40:] = np.nan
    sharp = skry.sharpen(image, skry.SharpenOptions(method=method))
    np.testing.assert_array_equal(np.isnan(sharp), np.isnan(image))
    np.testing.assert_allclose(sharp[:, :40], 0.5, atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0, np.nan])
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (40, 40)])
def test_constant_and_tiny_images_stay_as_they_are(shape, value):
    image = np.full(shape, value)
    for method in ("wavelets", "unsharp"):
        found = skry.sharpen(image, skry.SharpenOptions(method=method))
        np.testing.assert_allclose(found, image, atol=1e-3)


def star(path, shape=(21, 21), at=(10, 10), tail=0):
    """Write the image of a star, with a tail to the right."""
    image = np.zeros(shape)
    image[at[0], at[1] : at[1] + tail + 1] = 1.0
    write_image(path, ndimage.gaussian_filter(image, BLUR) + 0.05, kind="tiff32", metadata={})
    return str(path)


@pytest.mark.parametrize("psf", ["airy", "file"])
def test_other_point_spread_functions_sharpen_too(psf, tmp_path):
    truth = scene((100, 110))
    soft = blurred(truth, 2e-4)
    file = star(tmp_path / "psf.tif") if psf == "file" else None
    inner = np.s_[20:-20, 20:-20]
    for method in ("richardson-lucy", "wiener"):
        sharp = skry.sharpen(soft, skry.SharpenOptions(method=method, psf=psf, psf_file=file))
        assert np.corrcoef(sharp[inner].ravel(), truth[inner].ravel())[0, 1] > (
            np.corrcoef(soft[inner].ravel(), truth[inner].ravel())[0, 1] + 0.01
        )


def test_what_is_no_psf_or_does_not_fit_is_refused(tmp_path):
    image = scene((30, 200))
    write_image(tmp_path / "flat.tif", np.ones((9, 9)), kind="tiff32", metadata={})
    wrong = {
        "the point spread function is 81 x 81 px, but the image only 200 x 30": {"sigma": 10},
        "flat.tif shows no point spread function": {"psf_file": str(tmp_path / "flat.tif")},
        "shows light up to .* px from its centre": {
            "psf_file": star(tmp_path / "long.tif", (101, 201), (50, 20), 160)
        },
    }
    for message, choices in wrong.items():
        with pytest.raises(OptionsError, match=message):
            skry.sharpen(image, skry.SharpenOptions(method="wiener", **choices))
    with pytest.raises(OptionsError, match=r"an image of the shape \(4,\) cannot be sharpened"):
        skry.sharpen(np.zeros(4))
    with pytest.raises(OptionsError, match=r"a half stack has the shape \(3, 3\), but the image"):
        skry.sharpen(image, halves=(np.zeros((3, 3)), np.zeros((3, 3))))


@pytest.mark.parametrize("method", METHODS)
def test_a_window_is_sharpened_as_in_the_whole_image(method):
    light = scene((230, 310))[..., None] * np.array([1.0, 0.9, 0.8])
    halves = blurred(light, 0.004), blurred(light, 0.004, seed=3)
    image = (halves[0] + halves[1]) / 2
    options = skry.SharpenOptions(method=method)
    measured = measure_image(image, halves, seeing=5.0)
    whole = skry.sharpen(image, options, halves=halves, seeing=5.0)
    for rows, columns in ((slice(0, 64), slice(100, 200)), (slice(90, 230), slice(170, 310))):
        window = sharpen_window(image, options, measured, rows, columns)
        np.testing.assert_allclose(window, whole[rows, columns], rtol=0, atol=1 / 65535)
    grey = sharpen_window(image[..., 0], options, measured, slice(8, 20), slice(8, 30))
    assert grey.shape == (12, 22)
