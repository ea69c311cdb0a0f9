"""AVI files put together from their specification, chunk by chunk."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import av
import numpy as np

from skry_dask.io.raw.avi import AviReader

if TYPE_CHECKING:
    from pathlib import Path


def chunk(fourcc: bytes, content: bytes) -> bytes:
    """A chunk, padded to an even length."""
    return fourcc + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def make_list(list_type: bytes, content: bytes) -> bytes:
    """A list of chunks."""
    return chunk(b"LIST", list_type + content)


def avi(streams: bytes, movi: bytes, after: bytes = b"") -> bytes:
    """An AVI of stream headers and chunks of frames."""
    header = make_list(b"hdrl", chunk(b"avih", bytes(56)) + streams)
    return chunk(b"RIFF", b"AVI " + header + make_list(b"movi", movi) + after)


def video_stream(
    width: int, height: int, codec: bytes, *, bits: int = 8, palette: bytes = b"", count: int = 4
) -> bytes:
    """Header of a video stream of 25 frames per second; `count` frames are claimed."""
    strh = struct.pack(
        "<4s4sIHHIIIIIIII4H", b"vids", codec, 0, 0, 0, 0, 2, 50, 0, count, 0, 0, 0, 0, 0, 0, 0
    )
    strf = struct.pack(
        "<IiiHH4sIiiII", 40, width, height, 1, bits, codec, 0, 0, 0, len(palette) // 4, 0
    )
    return make_list(b"strl", chunk(b"strh", strh) + chunk(b"strf", strf + palette))


def sound_stream() -> bytes:
    """Header of a sound stream."""
    strh = struct.pack(
        "<4s4sIHHIIIIIIII4H", b"auds", b"", 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, *[0] * 4
    )
    return make_list(b"strl", chunk(b"strh", strh) + chunk(b"strf", bytes(18)))


def grey_palette(greys: np.ndarray) -> bytes:
    """A palette of grey values."""
    return b"".join(bytes((grey, grey, grey, 0)) for grey in greys.tolist())


def colour_palette(colours: np.ndarray) -> bytes:
    """A palette of red, green, blue; the byte that is unused is not zero."""
    return b"".join(bytes((blue, green, red, 77)) for red, green, blue in colours.tolist())


def plane_chunks(frames: np.ndarray, fourcc: bytes = b"00db", *, padded: bool = False) -> bytes:
    """Chunks of grey planes (frame, y, x), with rows padded to 4 bytes or not."""
    return b"".join(chunk(fourcc, _rows(frame, padded=padded)) for frame in frames)


def dib_chunks(frames: np.ndarray, *, bottom_up: bool = True) -> bytes:
    """Chunks of bitmaps (frame, y, x) or (frame, y, x, byte)."""
    stored = frames[:, ::-1] if bottom_up else frames
    return b"".join(chunk(b"00db", _rows(frame, padded=True)) for frame in stored)


def bgr_chunks(frames: np.ndarray, *, with_unused: bool = False, bottom_up: bool = True) -> bytes:
    """Chunks of colour bitmaps of red, green, blue (frame, y, x, channel), of 24 or 32 bits."""
    stored = frames[..., ::-1]
    if with_unused:
        stored = np.concatenate([stored, np.full_like(stored[..., :1], 200)], axis=-1)
    return dib_chunks(stored, bottom_up=bottom_up)


def _rows(frame: np.ndarray, *, padded: bool) -> bytes:
    stored = [row.tobytes() for row in frame]
    return b"".join(row + b"c" * (-len(row) % 4 if padded else 0) for row in stored)


def avi_frames_by_ffmpeg(path: Path) -> np.ndarray:
    """Frames as FFmpeg decodes them; grey ones as (frame, y, x)."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert {frame.format.name for frame in frames} <= {"gray", "pal8", "bgr24", "bgra"}
    if frames[0].format.name == "gray":
        return np.stack([frame.to_ndarray() for frame in frames])
    colours = np.stack([frame.reformat(format="rgb24").to_ndarray() for frame in frames])
    return colours[..., 1] if (colours == colours[..., :1]).all() else colours


def open_bytes(path: Path, content: bytes) -> AviReader:
    """Write an AVI file, a new one each time, and open it."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    return AviReader(path)
