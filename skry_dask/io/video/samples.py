"""Samples of a decoded video frame, viewed where they lie in memory.

Nothing is copied, and no conversion of FFmpeg, which differs between versions and processors, comes
between a file and its values.
"""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING, cast

import numpy as np

from skry_dask.io.video.pixel_layout import Component, Layout, layout_of

if TYPE_CHECKING:
    from av import VideoFrame

    from skry_dask.types import AnyArray

# Formats that FFmpeg converts, and the formats that they become.
_CONVERTED = {
    "mono[bw]": "gray",
    "grayf32[bl]e": "gray16le",
    "(gbra?pf32|xyz12)[bl]e": "rgb48le",
}


def view_samples(frame: VideoFrame, layout: Layout, number: int) -> AnyArray:
    """View the samples of one component; valid as long as the frame exists.

    Parameters
    ----------
    frame
        A decoded frame.
    layout
        Layout of its pixel format.
    number
        Number of the component.

    Returns
    -------
    unsigned integers (y, x)
        In [0, 2**bits), of any byte order, strided. Smaller than the frame if pixels share samples;
        an incomplete group of pixels at an edge has a sample, too. Samples that share their words
        with others are copied.
    """
    component = layout.components[number]
    height = -(-frame.height // component.factor[0])
    width = -(-frame.width // component.factor[1])
    plane = frame.planes[component.plane]
    word = np.dtype(layout.word)
    row_bytes = plane.line_size
    if row_bytes < 0:
        # Stored bottom row first. Versions of PyAV differ in where they let such a plane begin.
        first_byte = plane.buffer_ptr + row_bytes * (height - 1)
        memory = (ctypes.c_ubyte * (-row_bytes * height)).from_address(first_byte)
        buffer, top_row = memoryview(memory), -row_bytes * (height - 1)
    else:
        buffer, top_row = memoryview(plane), 0
    samples: AnyArray = np.ndarray(
        (height, width),
        word,
        buffer=buffer,
        offset=top_row + component.start * word.itemsize,
        strides=(row_bytes, component.step * word.itemsize),
    )
    if component.shift:
        samples = samples >> component.shift
    if component.shift + component.bits < 8 * word.itemsize and layout.shares_words:
        samples = samples & ((1 << component.bits) - 1)
    return samples


def palette_colours(frame: VideoFrame) -> AnyArray:
    """Copy the colours of a frame with a palette.

    Parameters
    ----------
    frame
        A decoded frame of the format ``pal8``.

    Returns
    -------
    uint8 (256, 3)
        Red, green, blue.
    """
    entries = np.frombuffer(memoryview(frame.planes[1]), np.uint32)
    return (entries[:, None] >> np.array([16, 8, 0], np.uint32)).astype(np.uint8)


def palette_indices(frame: VideoFrame) -> AnyArray:
    """View the palette index of each pixel; valid as long as the frame exists.

    Parameters
    ----------
    frame
        A decoded frame of the format ``pal8``.

    Returns
    -------
    uint8 (y, x)
        Strided.
    """
    return view_samples(frame, Layout("grey", "u1", (Component(),)), 0)


def with_known_layout(frame: VideoFrame) -> tuple[VideoFrame, Layout]:
    """Return a frame whose layout is known, converted by FFmpeg if that of the frame is not.

    Parameters
    ----------
    frame
        A decoded frame of any pixel format.

    Returns
    -------
    frame
        The frame, or a converted one.
    layout
        Layout of its samples.

    Raises
    ------
    ValueError
        If nothing is known of its format. FFmpeg is not asked: PyAV 13 crashes where FFmpeg has no
        conversion.
    av.FFmpegError
        If FFmpeg cannot convert it.
    """
    name = frame.format.name
    layout = layout_of(name)
    if layout is None:
        target = next((to for names, to in _CONVERTED.items() if re.fullmatch(names, name)), None)
        if target is None:
            raise ValueError(f"nothing is known of the pixel format {name}")
        frame, layout = convert_format(frame, target), layout_of(target)
    return frame, cast("Layout", layout)


def convert_format(frame: VideoFrame, name: str) -> VideoFrame:
    """Convert a frame by FFmpeg to another pixel format, in one thread.

    With several threads, each of which converts some rows, FFmpeg sometimes writes beyond the last
    row of a thread, and results differ from run to run (PyAV 18.1, 51 px wide).

    Parameters
    ----------
    frame
        A frame of any pixel format.
    name
        FFmpeg's name of the other format.

    Raises
    ------
    av.FFmpegError, ValueError
        If FFmpeg cannot convert it.
    """
    try:
        return frame.reformat(format=name, threads=1)
    except TypeError:  # versions of PyAV that never use several threads
        return frame.reformat(format=name)


def sample_dtype(frame: VideoFrame) -> str:
    """Return the type that holds all bits of the samples of a frame.

    Parameters
    ----------
    frame
        A decoded frame.

    Returns
    -------
    str
        ``"uint8"`` or ``"uint16"``.
    """
    layout = layout_of(frame.format.name)
    bits = layout.bits if layout else max(c.bits for c in frame.format.components)
    return "uint16" if bits > 8 else "uint8"
