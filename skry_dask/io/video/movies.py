"""Movies that are written: MP4 (H.264) through FFmpeg, animated GIF through Pillow.

Pictures come one after the other; a movie is made in memory and written at once.
"""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from skry_dask.types import AnyArray

CODEC = "libx264"
"""The encoder. Everything plays H.264 with 4:2:0 colour."""

QUALITY = "16"
"""Constant rate factor of the encoder: hardly to be told from the pictures."""

MAX_SIDE_PX = 16_384
"""Longest side that H.264 can have, px."""

N_PALETTE_PICTURES = 8
"""Number of pictures whose colours make the palette of a GIF."""


def encode_mp4(pictures: Iterable[AnyArray], fps: float, metadata: Mapping[str, str]) -> bytes:
    """Encode pictures as MP4.

    Parameters
    ----------
    pictures
        uint8 (y, x) or (y, x, 3), all of one shape, with even sides.
    fps
        Number of pictures a second.
    metadata
        Texts by name, such as ``comment``.

    Returns
    -------
    bytes
        Content of the file.

    Raises
    ------
    StoreError
        If FFmpeg has no encoder for H.264, or does not take the pictures.
    """
    import av

    content = BytesIO()
    try:
        with av.open(content, "w", format="mp4") as movie:
            movie.metadata.update(metadata)
            stream: Any = movie.add_stream(CODEC, rate=Fraction(fps).limit_denominator(1000))
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": QUALITY, "preset": "medium"}
            for n, picture in enumerate(pictures):
                if n == 0:
                    stream.height, stream.width = picture.shape[:2]
                for packet in stream.encode(_video_frame(picture)):
                    movie.mux(packet)
            for packet in stream.encode():
                movie.mux(packet)
    except (av.FFmpegError, ValueError) as error:
        raise StoreError(
            f"FFmpeg cannot encode MP4 with {CODEC} ({error}): write a .gif or a folder of PNG"
        ) from error
    return content.getvalue()


def _video_frame(picture: AnyArray) -> Any:
    from av import VideoFrame

    rgb = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    return VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")


def encode_gif(pictures: Iterable[AnyArray], fps: float, comment: str) -> bytes:
    """Encode pictures as an animated GIF, which repeats for ever.

    Grey pictures keep all of their levels. Those in colour share one palette, so that colours do
    not flicker.

    Parameters
    ----------
    pictures
        uint8 (y, x) or (y, x, 3), all of one shape and kind; at least one.
    fps
        Number of pictures a second; a GIF counts in steps of 10 ms, of which browsers take two at
        least.
    comment
        Text to be stored.

    Returns
    -------
    bytes
        Content of the file.
    """
    images = list(_palette_images([*pictures]))
    content = BytesIO()
    images[0].save(
        content,
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=max(20, 10 * round(100 / fps)),
        loop=0,
        comment=comment.encode("ascii", "replace"),
        optimize=False,
        disposal=1,
    )
    return content.getvalue()


def _palette_images(pictures: list[AnyArray]) -> Iterator[Any]:
    from PIL import Image

    if pictures[0].ndim == 2:
        yield from map(Image.fromarray, pictures)
        return
    every = -(-len(pictures) // N_PALETTE_PICTURES)
    sample = np.concatenate(pictures[::every])
    palette = Image.fromarray(sample).quantize(256, method=Image.Quantize.MEDIANCUT)
    for picture in pictures:
        yield Image.fromarray(picture).quantize(palette=palette)
