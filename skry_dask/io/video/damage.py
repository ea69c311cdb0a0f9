"""Signs of damage in a compressed video that FFmpeg passes over.

Of a frame with a damaged part FFmpeg makes a picture, and it takes a file that was cut off for one
that ends there. What is wrong stands in its log only, and in the length that a file claims to have.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from skry_dask.io.containers.mp4 import is_mp4
from skry_dask.io.containers.riff import is_avi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

_MOST_MESSAGES = 3
_MOST_CHARACTERS = 120

# Some programs count a header or padding twice.
_BELIEVED_BYTES = 64

_MOST_BOXES = 10_000
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"

# While errors are collected, those of PyAV's users in other threads go to Python's logging, which
# would print them if nobody had asked for them.
logging.getLogger("libav").addHandler(logging.NullHandler())


class _Level:
    """How much FFmpeg logs: a setting of the whole process, which several threads may need."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_users = 0
        self._before: tuple[int | None, bool] = (None, True)

    def need(self) -> None:
        import av.logging

        with self._lock:
            self._n_users += 1
            if self._n_users > 1:
                return
            self._before = av.logging.get_level(), av.logging.get_skip_repeated()
            if self._before[0] is None or self._before[0] < av.logging.ERROR:
                av.logging.set_level(av.logging.ERROR)
            av.logging.set_skip_repeated(False)

    def release(self) -> None:
        import av.logging

        with self._lock:
            self._n_users -= 1
            if self._n_users == 0:
                av.logging.set_level(self._before[0])
                av.logging.set_skip_repeated(self._before[1])


_LEVEL = _Level()


@contextmanager
def complaints() -> Iterator[list[str]]:
    """Collect the errors that FFmpeg logs in this thread.

    Must not be left open by a generator: what others do in between would be collected, too.

    Yields
    ------
    A list, empty until the end; then of different messages, one line each, at most three.
    """
    import av.logging

    found: list[str] = []
    _LEVEL.need()
    try:
        with av.logging.Capture() as logs:
            yield found
    finally:
        _LEVEL.release()
    texts = (text for level, _, text in logs if level <= av.logging.ERROR)
    # A damaged frame may have thousands of messages, most of them the same.
    different = dict.fromkeys(" ".join(text.split())[:_MOST_CHARACTERS] for text in texts)
    found += list(different)[:_MOST_MESSAGES]


def missing_bytes(file: FileIO, size: int) -> int:
    """Find out how much of a video is missing at its end.

    Parameters
    ----------
    file
        Any video.
    size
        Its size, bytes.

    Returns
    -------
    Bytes, by what the lengths in an AVI, MP4, MOV or Matroska file claim; 0 where it claims none,
    as a recorder leaves it that writes lengths last.
    """
    file.seek(0)
    head = file.read(64)
    if is_avi(head):
        claimed = _end_of_riff(file, size)
    elif is_mp4(head):
        claimed = _end_of_boxes(file, size)
    elif head.startswith(_EBML):
        claimed = _end_of_segment(head)
    else:
        return 0
    missing = claimed - size
    return missing if missing > _BELIEVED_BYTES else 0


def _end_of_riff(file: FileIO, size: int) -> int:
    """Go through the parts of an AVI, of which there are several above 1 GB."""
    place = 0
    for _ in range(_MOST_BOXES):
        file.seek(place)
        head = file.read(8)
        length = int.from_bytes(head[4:8], "little")
        if len(head) < 8 or head[:4] != b"RIFF" or not 0 < length < 2**32 - 16:
            break
        place += 8 + length + length % 2
        if place >= size:
            break
    return place


def _end_of_boxes(file: FileIO, size: int) -> int:
    place = 0
    for _ in range(_MOST_BOXES):
        file.seek(place)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if len(head) < 8 or length < 8 or not head[4:8].isalnum():
            break
        place += length
        if place >= size:
            break
    return place


def _end_of_segment(head: bytes) -> int:
    """Find the end of the segment of a Matroska file, which is nearly all of it; or 0."""
    length, place = _vint(head, len(_EBML))
    place += length or 0
    if head[place : place + 4] != _SEGMENT:
        return 0
    length, place = _vint(head, place + 4)
    return 0 if length is None else place + length


def _vint(head: bytes, place: int) -> tuple[int | None, int]:
    """Read a length of EBML (RFC 8794, 4), None if it is unknown; and where it ends."""
    first = head[place] if place < len(head) else 0
    n_bytes = 9 - first.bit_length()
    if n_bytes > 8:
        return None, place + 1
    bits = 7 * n_bytes
    number = int.from_bytes(head[place : place + n_bytes], "big") & ((1 << bits) - 1)
    return (None if number == (1 << bits) - 1 else number), place + n_bytes
