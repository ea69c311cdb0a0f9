"""Small videos, encoded here so that what must be decoded is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from skry_dask.io.video.ffmpeg import PyAvReader

LIMITED, FULL = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG

_RNG = np.random.default_rng(3)
# 50 px wide: rows in the memory of FFmpeg are longer.
GREY = _RNG.integers(0, 256, (5, 34, 50), np.uint8)
COLOURS = _RNG.integers(0, 256, (5, 34, 50, 3), np.uint8)
_Y, _X = np.mgrid[:34, :50]
SMOOTH_COLOURS = np.stack(
    [np.stack([5 * _Y + k, 4 * _X, 250 - 2 * (_Y + _X)], axis=2).astype(np.uint8) for k in range(5)]
)


def frame_of(
    planes: Sequence[np.ndarray], pixel_format: str, color_range: int = 0, colorspace: int = 2
) -> av.VideoFrame:
    """A frame of the given samples; further planes are neutral."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pixel_format)
    frame.color_range, frame.colorspace = color_range, colorspace
    word = np.dtype("u1" if planes[0].dtype == np.uint8 else "<u2")
    neutral = 1 << (frame.format.components[0].bits - 1)
    for number, plane in enumerate(frame.planes):
        content = np.full((plane.height, plane.line_size // word.itemsize), neutral, word)
        if number < len(planes):
            content[:, : planes[number].shape[1]] = planes[number]
        plane.update(content.tobytes())
    return frame


def grey_frames(pixel_format: str = "gray") -> list[av.VideoFrame]:
    """`GREY` as the luma of frames."""
    return [frame_of([luma], pixel_format) for luma in GREY]


def smooth_frames(n: int = 12) -> list[av.VideoFrame]:
    """Frames that a lossy codec changes little, in full range."""
    y, x = np.mgrid[:48, :64]
    return [
        frame_of(
            [(128 + 90 * np.sin((x + 3 * k) / 9) * np.cos(y / 8)).astype("u1")], "yuvj420p", FULL
        )
        for k in range(n)
    ]


def colour_frames(pixel_format: str, colours: np.ndarray = COLOURS) -> list[av.VideoFrame]:
    """Frames of red, green and blue, converted by FFmpeg."""
    return [
        av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixel_format)
        for image in colours
    ]


def encode(
    path: Path,
    frames: Sequence[av.VideoFrame],
    codec: str = "ffv1",
    *,
    rate: int = 25,
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
) -> Path:
    """Encode frames into a file, and return its path."""
    first = frames[0]
    with av.open(str(path), "w", options=dict(container_options or {})) as container:
        stream = container.add_stream(codec, rate=rate, options=dict(options or {}))
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, first.format.name
        stream.codec_context.color_range = first.color_range
        stream.codec_context.colorspace = first.colorspace
        for number, frame in enumerate(frames):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def images(reader: PyAvReader) -> np.ndarray:
    """All images of a video that has no problem in any frame."""
    decoded = list(reader.decode())
    assert not [frame.problem for frame in decoded if frame.problem]
    return np.stack([frame.image for frame in decoded if frame.image is not None])
