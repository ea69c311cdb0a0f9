"""Videos that were cut off, recognised by the length that the file states for itself.

FFmpeg takes a file that was cut off for one that ends there.
"""

from __future__ import annotations

from itertools import islice, takewhile
from typing import TYPE_CHECKING

from skry_dask.io.containers.avi import is_avi
from skry_dask.io.containers.matroska import is_matroska, segment_stop
from skry_dask.io.containers.mp4 import is_mp4, walk_boxes
from skry_dask.io.containers.riff import walk_chunks

if TYPE_CHECKING:
    from skry_dask.io.files import BinaryFile

_HEAD_BYTES = 64
# Some programs count a header or padding twice.
_TOLERANCE_BYTES = 64
# Files of more boxes than that are taken for complete.
_MAX_BOXES = 10_000
# Lengths that programs write before they know the real one.
_PLACEHOLDER_LENGTHS = (0, *range(2**32 - 16, 2**32))


def count_missing_bytes(file: BinaryFile, size: int) -> int:
    """Return how many bytes are missing at the end of a video.

    Parameters
    ----------
    file
        A video.
    size
        Size of the file, bytes.

    Returns
    -------
    int
        Difference between the length that an AVI, MP4, MOV or Matroska file states and its size,
        bytes; 0 where the file states none, as recorders leave it that write lengths last.
    """
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if is_avi(head):
        stated = _end_of_riffs(file, size)
    elif is_mp4(head):
        stated = _end_of_boxes(file, size)
    elif is_matroska(head):
        stated = segment_stop(head) or 0
    else:
        return 0
    n_missing = stated - size
    return n_missing if n_missing > _TOLERANCE_BYTES else 0


def _end_of_riffs(file: BinaryFile, size: int) -> int:
    """Return where the last RIFF of an AVI ends; there are several in a file of over 1 GB."""
    riffs = takewhile(
        lambda chunk: chunk.fourcc == b"RIFF" and chunk.length not in _PLACEHOLDER_LENGTHS,
        islice(walk_chunks(file, size, enter=()), _MAX_BOXES),
    )
    return max((chunk.stop for chunk in riffs), default=0)


def _end_of_boxes(file: BinaryFile, size: int) -> int:
    """Return where the last box ends that no other box holds."""
    boxes = takewhile(
        lambda box: box.name.isalnum(), islice(walk_boxes(file, size, max_depth=1), _MAX_BOXES)
    )
    return max((box.stop for box in boxes), default=0)
