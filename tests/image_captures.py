"""Images read as captures, for tests of image formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.errors import ReaderError
from skry_dask.io.reader import VideoReader
from skry_dask.io.registry import open_reader

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.io.reader import DecodedFrame

_RNG = np.random.default_rng(8)
GREY8 = _RNG.integers(0, 256, (11, 13), np.uint8)
GREY16 = _RNG.integers(0, 65536, (11, 13), np.uint16)
RGB8 = _RNG.integers(0, 256, (11, 13, 3), np.uint8)
RGB16 = _RNG.integers(0, 65536, (11, 13, 3), np.uint16)


def with_alpha(image: np.ndarray) -> np.ndarray:
    """The image with transparency as its last channel."""
    image = image.reshape(*image.shape[:2], -1)
    return np.concatenate([image, np.full_like(image[..., :1], 99)], axis=2)


def frames_of(source: object, **options: bool) -> list[DecodedFrame]:
    """All frames of a capture of images; each is as `info` announces it."""
    reader = open_reader(source, **options)  # type: ignore[arg-type]
    assert isinstance(reader, VideoReader)
    frames = list(reader.decode())
    assert [frame.number for frame in frames] == list(range(reader.info.n_frames or 0))
    for frame in frames:
        if frame.image is not None:
            assert frame.image.shape == reader.info.frame_shape
            assert frame.image.dtype == reader.info.dtype
            assert frame.image.flags.c_contiguous
    return frames


def one_frame(path: Path, content: bytes, **options: bool) -> np.ndarray:
    """The only frame of a file with this content."""
    path.write_bytes(content)
    (frame,) = frames_of(path, **options)
    assert frame.problem is None
    assert frame.image is not None
    return frame.image


def refused(source: object) -> str:
    """The error of a source that is refused: one line."""
    with pytest.raises(ReaderError) as caught:
        open_reader(source)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)
