"""Images of different filters are registered to a small part of a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.finishing.registration.common_region import overlap, region_of, union
from skry_dask.finishing.registration.displacement import Displacement
from skry_dask.finishing.registration.register import likely_scale, register
from skry_dask.geometry.canvas import Region
from tests.filter_images import Filter, disc, displacement, surface, through

SHAPE = (200, 260)
CENTRE = (104.3, 121.7)
BORDER = 20


def rms_error(scene: np.ndarray, one: Filter, *, local: bool) -> float:
    """Register a filter to the scene: px rms, along each axis, where the scene is bright."""
    found = register(through(scene, Filter(), seed=9), through(scene, one), local=local)
    assert found.agrees
    measured = found.displacement.at(*(np.arange(n, dtype=float) for n in SHAPE))
    error = measured - displacement(SHAPE, one)
    seen = scene > 0.05
    seen[:BORDER], seen[-BORDER:], seen[:, :BORDER], seen[:, -BORDER:] = (False,) * 4
    return float(np.sqrt((error[seen] ** 2).mean()))


@pytest.mark.parametrize(
    ("one", "limit_px"),
    [
        (Filter(shift=(3.37, -7.81)), 0.03),
        (Filter(shift=(-41.6, 33.2), gain=0.3, level=0.4, gamma=1.5, blur=1.0), 0.04),
        (Filter(shift=(3.37, -7.81), gain=-0.7, level=0.9), 0.03),
        (Filter(shift=(3.37, -7.81), warp=0.5, gain=0.6, gamma=1.3), 0.08),
        (Filter(shift=(3.37, -7.81), warp=0.5, gain=-0.6, level=1.0, noise=0.01), 0.15),
    ],
    ids=["shift", "dark, blurred, far", "inverted", "warped", "warped, inverted, noisy"],
)
def test_a_surface_is_registered_locally(one: Filter, limit_px: float) -> None:
    assert rms_error(surface(SHAPE), one, local=True) < limit_px


@pytest.mark.parametrize(
    ("one", "limit_px"),
    [
        (Filter(shift=(13.37, -27.81), gain=0.5, level=0.1), 0.03),
        (Filter(shift=(13.37, -27.81), gamma=1.2, blur=1.0), 0.03),
        (Filter(shift=(13.37, -27.81), gain=-0.7, level=0.9), 0.03),
    ],
    ids=["same limb", "darker limb", "inverted"],
)
def test_a_disc_is_registered_by_limb_and_detail(one: Filter, limit_px: float) -> None:
    assert rms_error(disc(SHAPE, 60.0, CENTRE), one, local=False) < limit_px


@pytest.mark.parametrize(
    ("darkening", "gamma", "limit_px"), [(0.5, 1.2, 0.04), (0.2, 1.0, 0.12), (0.8, 1.0, 0.2)]
)
def test_limbs_that_are_darkened_otherwise_are_not_displaced(
    darkening: float, gamma: float, limit_px: float
) -> None:
    reference = disc(SHAPE, 60.0, CENTRE)
    one = Filter(shift=(3.37, -7.81), gamma=gamma)
    image = through(disc(SHAPE, 60.0, CENTRE, darkening), one)
    found = register(through(reference, Filter(), seed=9), image, local=True)
    measured = found.displacement.at(*(np.arange(n, dtype=float) for n in SHAPE))
    error = (measured - displacement(SHAPE, one))[reference > 0.05]
    assert float(np.sqrt((error**2).mean())) < limit_px


def test_sizes_may_differ_and_a_mosaic_may_lack_pixels() -> None:
    scene = surface(SHAPE).astype(np.float32)
    part = scene[31:171, 52:].copy()
    part[:40, :50] = np.nan
    found = register(scene, part, local=True)
    np.testing.assert_allclose(found.displacement.similarity[:2], [-31, -52], atol=0.02)
    whole, region = Region(31, 52, 140, 208), region_of(found.displacement, part.shape)
    assert overlap([whole, region]) == region
    assert region.height * region.width > 0.98 * part.size
    moved = found.displacement.undone(part, whole)
    assert np.isnan(moved[:39, :49]).all()
    assert np.isfinite(moved[42:-2, 2:-2]).all()
    assert np.nanstd(moved - part) < 0.002


def test_scale_and_rotation_are_found() -> None:
    scene, true = surface(SHAPE), np.array([4.2, -3.1, 0.012, -0.015])
    still = Displacement.of_similarity(-true, SHAPE)  # to first order, the inverse
    turned = still.undone(scene.astype(np.float32), Region(0, 0, *SHAPE))
    found = register(scene.astype(np.float32), turned, local=True)
    np.testing.assert_allclose(found.displacement.similarity[2:], true[2:], atol=0.001)


def test_other_scenes_do_not_agree_and_other_scales_are_named() -> None:
    scene = surface(SHAPE).astype(np.float32)
    for other in (surface(SHAPE, seed=77), scene.T, scene[::-1], np.zeros(SHAPE)):
        assert not register(scene, np.float32(other), local=True).agrees
    larger = ndimage.zoom(scene, 1.4, order=1)
    assert not register(scene, larger, local=True).agrees
    assert likely_scale(scene, larger) == pytest.approx(1.4, rel=0.03)
    assert likely_scale(scene, np.float32(surface(SHAPE, seed=77))) == 1.0


def test_regions_meet_and_join() -> None:
    regions = [Region(0, 0, 10, 12), Region(-2, 5, 8, 20)]
    assert overlap(regions) == Region(0, 5, 6, 7)
    assert union(regions) == Region(-2, 0, 12, 25)
    assert overlap([*regions, Region(40, 0, 5, 5)]) is None
