"""What a file format has to provide.

A reader is made from a path, looks at the header once and keeps no open handle, so it pickles and
travels to dask workers as its configuration. There are two kinds: frames at fixed offsets in the
file can be read *in place* and in any order (`RawReader`); everything else has to be decoded once
from its beginning (`VideoReader`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from skry_dask.types import Frames, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureInfo:
    """What a file says of itself.

    Parameters
    ----------
    format
        Name of the format, for people: ``"SER"``, ``"AVI Y800"``, ``"mpeg4 video"``.
    n_frames
        Number of complete frames; for a video that must be decoded to be counted, what its header
        claims, or None.
    height, width
        Size of a frame, px.
    dtype
        ``"uint8"`` or ``"uint16"``.
    bits
        Depth stated by the file: the full scale of a sample is ``2**bits - 1``.
    channels
        1, or 3: red, green, blue.
    cfa
        Colour filter array of raw colour: the colours of the first two pixels of the first row,
        then of the second (``"RGGB"``, ``"GRBG"``, ``"GBRG"``, ``"BGGR"``); None for everything
        else. Such frames have one channel.
    number
        int64 (frame), increasing: number of each frame in the file, counted from 0, where some
        were dropped; None where they are 0 to ``n_frames - 1``.
    time
        int64 (frame), ns since 1970-01-01 UTC, or None where the file has no usable times.
    attrs
        What else is known (observer, instrument, frames per second, codec...), JSON-compatible.
    problems
        What is wrong with the file though it can be read, one sentence each.
    """

    format: str
    n_frames: int | None
    height: int
    width: int
    dtype: str
    bits: int
    channels: int = 1
    cfa: str | None = None
    number: IntArray | None = None
    time: IntArray | None = None
    attrs: dict[str, str | int | float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of a frame: (y, x), or (y, x, channel) with three channels."""
        return (self.height, self.width, *((self.channels,) if self.channels > 1 else ()))


@runtime_checkable
class RawReader(Protocol):
    """Frames at fixed places in a file, read in any order without copying the file.

    `path` names the capture, `files` are what it consists of.
    """

    path: Path
    files: tuple[Path, ...]
    info: CaptureInfo

    def read(self, start: int, stop: int) -> Frames:
        """Read frames ``start`` to ``stop - 1``, counted without those that were dropped.

        Returns
        -------
        uint8 or uint16 (frame, y, x) or (frame, y, x, channel), native byte order, C-contiguous,
        newly allocated.
        """
        ...


@runtime_checkable
class VideoReader(Protocol):
    """Frames that must be decoded in sequence.

    `path` names the capture, `files` are what it consists of.
    """

    path: Path
    files: tuple[Path, ...]
    info: CaptureInfo

    def decode(self) -> Iterator[DecodedFrame]:
        """Decode from the beginning to the end, leaving out what cannot be decoded."""
        ...


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """One entry of a decoded video.

    Parameters
    ----------
    number
        Frame number in the file, counted from 0; frames that cannot be decoded use up a number.
    image
        uint8 or uint16 (y, x) or (y, x, channel), or None when this frame could not be decoded.
    time
        ns since the beginning of the video, or since 1970-01-01 UTC where the file has dates, or
        None.
    problem
        Why ``image`` is None, or what is wrong with it; one sentence.
    """

    number: int
    image: Frames | None
    time: int | None = None
    problem: str | None = None
