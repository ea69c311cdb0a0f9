"""Convolution that differs from place to place."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from skry_dask.simulation.optics.patches import Patches

STEP, N_PSF = 8, 14


@pytest.fixture
def psfs() -> np.ndarray:
    psfs = np.random.default_rng(1).random((7, 9, N_PSF, N_PSF), np.float32) ** 4
    return psfs / psfs.sum(axis=(2, 3), keepdims=True)


def rendered(scene: np.ndarray, psfs: np.ndarray) -> np.ndarray:
    patches = Patches(scene.shape, STEP, N_PSF)
    assert patches.grid == psfs.shape[:2]
    spectra, image = patches.spectra(scene), patches.empty_image()
    for row, psf in enumerate(psfs):
        patches.add_row(row, psf, spectra[row], image)
    return patches.cut(image)


def test_pixels_blend_what_the_nodes_around_them_see(psfs: np.ndarray) -> None:
    scene = np.random.default_rng(2).random((45, 61), np.float32)
    image = rendered(scene, psfs)
    assert image.shape == scene.shape
    wide = np.pad(scene, N_PSF, mode="edge").astype(np.float64)

    def seen(j: int, i: int, y: int, x: int) -> float:
        at = N_PSF // 2 + 1
        whole = signal.fftconvolve(wide, psfs[j, i], mode="valid")
        return whole[y + at, x + at]

    # A node; and 3/8 down, 5/8 right of it.
    assert image[16, 24] == pytest.approx(seen(2, 3, 16, 24), abs=1e-5)
    blend = sum(
        wy * wx * seen(j, i, 19, 29)
        for j, wy in ((2, 5 / 8), (3, 3 / 8))
        for i, wx in ((3, 3 / 8), (4, 5 / 8))
    )
    assert image[19, 29] == pytest.approx(blend, abs=1e-5)
    assert image[0, 0] == pytest.approx(seen(0, 0, 0, 0), abs=1e-5)


def test_an_evenly_lit_scene_stays_even(psfs: np.ndarray) -> None:
    image = rendered(np.full((49, 65), 0.7, np.float32), psfs)
    np.testing.assert_allclose(image, 0.7, atol=1e-5)


def test_the_same_everywhere_is_a_convolution() -> None:
    scene = np.random.default_rng(3).random((40, 52), np.float32)
    patches = Patches(scene.shape, STEP, N_PSF)
    psf = np.zeros((N_PSF, N_PSF), np.float32)
    psf[N_PSF // 2 + 2, N_PSF // 2 - 3] = 1.0
    image = patches.image(psf, patches.spectra(scene))
    np.testing.assert_allclose(image[2:, :-3], scene[:-2, 3:], atol=1e-5)
