"""The kernels that look at thumbnails and at a frame's vectors."""

import numpy as np
import pytest

from skry_dask.kernels.matching import thumbnails
from skry_dask.kernels.matching.thumbnails import likeness, median_vectors, spreads
from tests import reference


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(thumbnails, monkeypatch)


def spread(image, share):
    (found,) = spreads(image[None], share)
    return tuple(found)


def noise(seed=1, shape=(23, 31), kind="normal"):
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 20, shape) if kind == "normal" else rng.exponential(5, shape)
    return image.astype(np.float32)


# --- spread ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["normal", "exponential"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.25, 0.5])
def test_the_spread_is_that_of_percentiles(kind, share):
    image = noise(kind=kind)
    low, high, peak = spread(image, share)
    one_bin = 1.01 * np.ptp(image) / (thumbnails.BINS - 1)
    # Between two values there is nothing to tell where the percentile is.
    quantiles = [np.quantile(image, q, method=m) for q, m in ((share, "lower"), (share, "higher"))]
    assert quantiles[0] - one_bin <= low <= quantiles[1] + one_bin
    quantiles = [np.quantile(image, 1 - share, method=m) for m in ("lower", "higher")]
    assert quantiles[0] - one_bin <= high <= quantiles[1] + one_bin
    assert peak == image.max()


def test_each_image_has_its_own_spread():
    images = np.stack([noise(seed) for seed in range(3)])[:, ::2]
    found = spreads(images, 0.02)
    np.testing.assert_array_equal(found, [spread(image, 0.02) for image in images])
    assert spreads(images[:0], 0.02).shape == (0, 3)


def test_without_a_share_the_spread_is_the_range():
    image = noise()
    np.testing.assert_allclose(spread(image, 0.0), [image.min(), image.max(), image.max()])


@pytest.mark.parametrize("level", [0.0, 7.5, -3.0])
def test_a_constant_image_has_no_spread(level):
    assert spread(np.full((4, 5), level, np.float32), 0.1) == (level, level, level)


def test_the_spread_of_one_pixel_is_its_value():
    assert spread(np.full((1, 1), 3.0, np.float32), 0.02) == (3.0, 3.0, 3.0)


def test_a_few_bright_pixels_are_the_peak_but_not_in_the_spread():
    image = noise()
    image[3, :3] = 1000
    _, high, peak = spread(image, 0.02)
    assert peak == 1000
    assert high < 200


def test_strided_images_have_the_same_spread():
    image = noise()
    assert spread(image[::2, ::3], 0.1) == spread(image[::2, ::3].copy(), 0.1)


# --- likeness --------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("sign", [-1, 1])
def test_likeness_is_the_correlation_coefficient(share, sign):
    one = noise(1)
    other = (share * one + (1 - share) * noise(2)) * np.float32(sign)
    expected = np.corrcoef(one.ravel(), other.ravel())[0, 1]
    assert likeness(one, other) == pytest.approx(expected, abs=1e-6)


def test_brightness_and_contrast_do_not_change_likeness():
    one = noise(1)
    assert likeness(one, 3 * one + 50) == pytest.approx(1, abs=1e-6)
    assert likeness(one, 3 * one[::-1] + 50) == pytest.approx(likeness(one, one[::-1]), abs=1e-6)


def test_likeness_does_not_depend_on_the_order():
    assert likeness(noise(1), noise(2)) == pytest.approx(likeness(noise(2), noise(1)), abs=1e-12)


def test_a_flat_image_is_like_nothing():
    flat = np.full((23, 31), 5, np.float32)
    assert likeness(flat, noise()) == likeness(noise(), flat) == likeness(flat, flat) == -1


def test_likeness_of_strided_images_is_the_same():
    one, other = noise(1), noise(2)
    copies = likeness(one[::2, 3:].copy(), other[::2, 3:].copy())
    assert likeness(one[::2, 3:], other[::2, 3:]) == copies


# --- median ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 8, 25])
def test_the_median_is_that_of_the_vectors_that_were_found(n):
    rng = np.random.default_rng(n)
    vectors = rng.normal(size=(2 * n, 2))
    found = np.zeros(2 * n, bool)
    found[rng.permutation(2 * n)[:n]] = True
    vectors[~found] = np.nan
    before = vectors.copy()
    expected = np.median(vectors[found], axis=0)
    np.testing.assert_allclose(
        median_vectors(vectors[None], found[None]), expected[None], rtol=1e-15
    )
    np.testing.assert_array_equal(vectors, before)


def test_frames_in_which_nothing_was_found_have_no_median():
    vectors = np.arange(12.0).reshape(2, 3, 2)
    found = np.array([[True, False, True], [False, False, False]])
    expected = [[2.0, 3.0], [np.nan, np.nan]]
    np.testing.assert_array_equal(median_vectors(vectors, found), expected)


def test_the_median_of_equal_vectors_is_theirs():
    vectors = np.tile([1.5, -2.5], (6, 1))
    np.testing.assert_array_equal(
        median_vectors(vectors[None], np.ones((1, 6), bool)), [[1.5, -2.5]]
    )
