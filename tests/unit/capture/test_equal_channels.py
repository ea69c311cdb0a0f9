"""Mono recorded as three equal channels is stacked as grey, and told; colour stays colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import skry_dask as skry
from skry_dask.capture.calibration.develop import Developer
from skry_dask.cli.info import inspect_capture
from skry_dask.io.images.write import write_image
from skry_dask.io.raw.ser import write_ser
from tests.small_captures import expose, texture

if TYPE_CHECKING:
    from pathlib import Path

GREY = np.array([expose(texture(96, 120), seed, white=255, noise=3.0) for seed in range(3)])


def test_equal_channels_are_stacked_as_grey(tmp_path: Path) -> None:
    equal = np.stack([GREY] * 3, axis=-1)
    tinted = equal.copy()
    tinted[..., 2] = tinted[..., 2] // 10 * 9
    for name, frames, words in (
        ("equal", equal, "Red, green and blue are equal"),
        ("tinted", tinted, None),
        ("black", np.zeros_like(equal), None),
    ):
        path = tmp_path / f"{name}.ser"
        write_ser(path, frames, n_frames=3, height=96, width=120, bits=8, colour="RGB")
        (tmp_path / name).mkdir()
        for number, frame in enumerate(frames):
            image = frame / np.float32(255)
            write_image(tmp_path / name / f"{number}.png", image, kind="png8", metadata={})
        for given in (path, tmp_path / name):
            told = inspect_capture(given)["problems"]
            capture = skry.open_capture(given)
            if words is None:
                assert told == capture.attrs["problems"] == []
                assert "grey" not in capture.attrs
                continue
            assert words in told[0]
            assert capture.attrs["problems"] == told
            developer = Developer.of(capture)
            assert developer.planes == ("grey",)
            assert np.array_equal(developer.grey(capture["frames"].to_numpy()), GREY)
            asked = skry.open_capture(given, skry.ReadOptions(grey=True))
            assert not asked.attrs["problems"]


def test_info_tells_the_mesh_of_images_that_were_never_decoded(tmp_path: Path) -> None:
    mosaic = GREY.copy()
    mosaic[:, ::2, ::2] //= 2
    for name, frames in (("mono", mosaic), ("equal", np.stack([mosaic] * 3, axis=-1))):
        (tmp_path / name).mkdir()
        for number, frame in enumerate(frames):
            image = frame / np.float32(255)
            write_image(tmp_path / name / f"{number}.png", image, kind="png8", metadata={})
        (told,) = inspect_capture(tmp_path / name)["problems"]
        assert "raw colour" in told
        assert not (tmp_path / f"{name}.skry").exists()
        assert skry.open_capture(tmp_path / name).attrs["problems"] == [told]
