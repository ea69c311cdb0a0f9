"""Images that are stored on their side are turned upright, as their metadata state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from skry_dask.io.images.orientation import parse_orientation
from skry_dask.io.images.read import read_image
from skry_dask.io.registry import open_reader
from tests.image_bytes import png, png_chunk
from tests.image_captures import frames_of

if TYPE_CHECKING:
    from pathlib import Path

GREY = np.kron(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40, np.ones((8, 8), np.uint8))
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], axis=2)


def exif(orientation: int) -> Image.Exif:
    """Metadata with an orientation, and tags before and after it."""
    made = Image.Exif()
    made[271], made[274], made[305] = "maker", orientation, "program"
    return made


def upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """The image as Pillow turns it, pixel by pixel."""
    places = Image.fromarray(
        np.arange(stored[..., 0].size if stored.ndim > 2 else stored.size, dtype=np.int32).reshape(
            stored.shape[:2]
        )
    )
    places.getexif()[274] = orientation
    order = np.asarray(ImageOps.exif_transpose(places))
    return stored.reshape(-1, *stored.shape[2:])[order]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    written: dict[str, np.ndarray] = {}
    for name, image in (("grey", GREY), ("colour", COLOUR)):
        for suffix in ("jpg", "png"):
            path = tmp_path / f"{name}.{suffix}"
            Image.fromarray(image).save(path, exif=exif(orientation))
            with Image.open(path) as stored:
                written[path.name] = np.asarray(stored)
        tags = [(274, 3, 1, orientation, True)]
        tifffile.imwrite(tmp_path / f"{name}.tif", image, extratags=tags)
        written[f"{name}.tif"] = image
    deep = GREY.astype(np.uint16) * 257
    chunk = png_chunk(b"eXIf", exif(orientation).tobytes().removeprefix(b"Exif\0\0"))
    (tmp_path / "deep.png").write_bytes(png(deep[..., None], 16, 0, extra=chunk))
    written["deep.png"] = deep
    for name, stored in written.items():
        expected = upright(stored, orientation)
        (frame,) = frames_of(tmp_path / name)
        assert np.array_equal(frame.image, expected), name
        assert frame.image is not None
        assert frame.image.flags.c_contiguous
        info = open_reader(tmp_path / name).info
        assert (info.height, info.width) == expected.shape[:2]
        assert np.array_equal(read_image(tmp_path / name).data, expected)


def test_damaged_metadata_state_no_orientation() -> None:
    content = exif(6).tobytes()
    assert parse_orientation(content) == 6
    assert parse_orientation(exif(9).tobytes()) == 1
    for stop in range(len(content)):
        assert parse_orientation(content[:stop]) in (1, 6)
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 255
        assert 1 <= parse_orientation(bytes(damaged)) <= 8
