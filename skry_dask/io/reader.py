"""What a reader of captures provides.

A reader is made from a path, reads the header once and keeps no open file, so that it can be
pickled and sent to dask workers. There are two kinds. If frames have fixed places in the file, they
are read *in place*, in any order (`RawReader`). All others are decoded once from the beginning
(`VideoReader`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from skry_dask.io.remote_file import FilePath
    from skry_dask.types import Frames, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureInfo:
    """Description of a capture, from its header.

    Parameters
    ----------
    format
        Name of the format, for people: ``"SER"``, ``"AVI Y800"``, ``"mpeg4 video"``.
    n_frames
        Number of complete frames. For a video that has to be decoded to count them, the number that
        its header states, or None.
    height, width
        Size of a frame, px.
    dtype
        ``"uint8"`` or ``"uint16"``.
    bits
        Depth that the file states: the full scale of a sample is ``2**bits - 1``.
    channels
        1, or 3: red, green, blue.
    cfa
        Colour filter array of raw colour: the colours of the first two pixels of the first row,
        then of the second row (``"RGGB"``, ``"GRBG"``, ``"GBRG"`` or ``"BGGR"``); else None. Frames
        of raw colour have one channel.
    number
        int64 (frame), increasing: number of each frame in the file, counted from 0, if some were
        dropped; None if the numbers are 0 to ``n_frames - 1``.
    time
        int64 (frame), ns since 1970-01-01 UTC; None if the file has no usable times.
    attrs
        Observer, instrument, frames per second, codec and the like; JSON-compatible.
    problems
        What is wrong with the file although it can be read, one sentence each.
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
    """Reader of frames at fixed places in a file: in any order, without a copy of the file.

    `path` names the capture, `files` are the files that it consists of.
    """

    path: FilePath
    files: tuple[FilePath, ...]
    info: CaptureInfo

    def read(self, start: int, stop: int) -> Frames:
        """Read frames `start` to ``stop - 1``, counted without dropped frames.

        Returns
        -------
        uint8 or uint16 (frame, y, x) or (frame, y, x, channel)
            Native byte order, C-contiguous, newly allocated.
        """
        ...

    def read_part(self, frames: IntArray, rows: range, columns: range) -> Frames:
        """Read the same rows and columns of some frames; no other rows are read from the file.

        Parameters
        ----------
        frames
            int64 (frame), counted without dropped frames.
        rows, columns
            Consecutive ones that a frame has.

        Returns
        -------
        uint8 or uint16 (frame, y, x) or (frame, y, x, channel)
            Native byte order, C-contiguous, newly allocated.
        """
        ...


@runtime_checkable
class VideoReader(Protocol):
    """Reader of frames that have to be decoded in sequence.

    `path` names the capture, `files` are the files that it consists of. `random_access` says
    whether frames are decoded without those before them.
    """

    path: Path
    files: tuple[Path, ...]
    info: CaptureInfo
    random_access: bool

    def decode(self, start: int = 0) -> Iterator[DecodedFrame]:
        """Decode all frames from that of number `start` to the end."""
        ...


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame of a decoded video, or the report of its loss.

    Parameters
    ----------
    number
        Number of the frame in the file, counted from 0; frames that cannot be decoded count too.
    image
        uint8 or uint16 (y, x) or (y, x, channel); None if the frame cannot be decoded.
    time
        ns since the beginning of the video, or since 1970-01-01 UTC if the file has dates; or None.
    problem
        Why there is no image, or what is wrong with it; one sentence.
    """

    number: int
    image: Frames | None
    time: int | None = None
    problem: str | None = None
