"""Raw colour in frames that claim to be mono is recognised; mono is never taken for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.capture.hidden_mosaic import find_mosaic
from skry_dask.io.images.write import write_image
from skry_dask.io.raw.avi import write_avi
from skry_dask.io.raw.ser import write_ser
from tests.small_captures import disc, expose, texture

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.types import AnyArray

SCENES = {
    "surface": texture(120, 160),
    "planet": disc((60, 80), shape=(120, 160)),
    "small planet": disc((60, 80), radius=12, shape=(120, 160)),
}
RGGB, GRBG = ("RGGB", "BGGR"), ("GRBG", "GBRG")


def filtered(scene: AnyArray, pattern: str, colours: dict[str, float]) -> AnyArray:
    """Light behind a colour filter array."""
    light = scene.copy()
    for i, colour in enumerate(pattern):
        light[i // 2 :: 2, i % 2 :: 2] *= colours[colour]
    return light


def exposed(light: AnyArray, white: int = 255, noise: float = 3.0) -> list[AnyArray]:
    return [expose(light, seed, white=white, noise=noise) for seed in range(3)]


@pytest.mark.parametrize("name", SCENES)
def test_the_mesh_of_a_filter_array_is_recognised(name: str) -> None:
    for colours in (
        {"R": 0.6, "G": 1.0, "B": 0.7},
        {"R": 0.6, "G": 1.0, "B": 0.6},
        {"R": 1.0, "G": 0.05, "B": 0.05},  # light of hydrogen
        {"R": 1.0, "G": 0.6, "B": 0.3},
    ):
        for white in (255, 4095):
            for pattern, found in (("RGGB", RGGB), ("BGGR", RGGB), ("GRBG", GRBG), ("GBRG", GRBG)):
                frames = exposed(filtered(SCENES[name], pattern, colours), white)
                assert find_mosaic(frames) == found, (colours, white, pattern)


@pytest.mark.parametrize("name", SCENES)
def test_mono_is_not_taken_for_raw_colour(name: str) -> None:
    scene = SCENES[name]
    rows, columns = (np.arange(n) % 2 for n in scene.shape)
    for light, noise in (
        (scene, 1),
        (scene, 20),
        (scene * (1 - 0.1 * rows[:, None]), 3),
        (scene * (1 - 0.1 * columns), 3),
        (np.where(rows[:, None], scene, np.roll(scene, 2, axis=1)), 3),  # interlaced
        (np.kron(scene[::8, ::8], np.ones((8, 8))), 3),  # blocks of a compressed video
        (np.zeros_like(scene), 3),
        (np.minimum(2 * scene, 1.1), 3),  # overexposed
    ):
        assert find_mosaic(exposed(light, noise=noise)) is None
    assert find_mosaic([frame[:9, :9] for frame in exposed(scene)]) is None


def test_it_is_recognised_in_every_format_unless_the_user_knows_better(tmp_path: Path) -> None:
    frames = exposed(filtered(SCENES["surface"], "GRBG", {"R": 0.6, "G": 1.0, "B": 0.7}))
    size = {"n_frames": 3, "height": 120, "width": 160}
    write_ser(tmp_path / "a.ser", frames, bits=8, **size)
    write_avi(tmp_path / "a.avi", frames, **size)
    for suffix, kind in (("tif", "tiff16"), ("png", "png8"), ("fits", "fits")):
        (tmp_path / suffix).mkdir()
        for number, frame in enumerate(frames):
            path, image = tmp_path / suffix / f"{number}.{suffix}", frame / np.float32(255)
            write_image(path, image, kind=kind, metadata={})
    for name in ("a.ser", "a.avi", "tif", "png", "fits"):
        capture = skry.open_capture(tmp_path / name)
        assert (capture.attrs["cfa"], capture.attrs["grey"]) == ("GRBG", 1), name
        assert "--cfa GRBG gives colour" in capture.attrs["problems"][-1]
        for cfa in ("none", "GBRG"):
            known = skry.open_capture(tmp_path / name, skry.ReadOptions(cfa=cfa))
            assert known.attrs["cfa"] == cfa
            assert "grey" not in known.attrs
            assert not known.attrs["problems"]
