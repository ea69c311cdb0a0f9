"""Boxes of an MP4 or MOV file, checked before FFmpeg opens the file.

Such a file consists of boxes: length (32 bits, big-endian), name, content. Some boxes hold other
boxes (ISO 14496-12, 4.2).

FFmpeg trusts the number of samples that a track states, and allocates 40 bytes for each of them:
one damaged number in a file of 5 kB cost 2 GB. Of a recording that was cut off it only says that
its data are invalid. Both are found here first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.io.files import BinaryFile

# What MP4 and MOV files of different programs begin with.
_FIRST_BOXES = (b"ftyp", b"wide", b"mdat", b"moov", b"free", b"skip", b"pnot")
# Boxes that hold boxes.
_PARENTS = (
    b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl", b"edts", b"mvex", b"moof", b"traf",
)  # fmt: skip
_MAX_DEPTH = 8

# Tables of samples, and the offset of the sample count in each.
_COUNT_OFFSETS = {b"stsz": 8, b"stz2": 8, b"trun": 4}
_PLAUSIBLE_SAMPLES = 1 << 20
_MIN_VIDEO_SAMPLE_BYTES = 64
_MIN_SOUND_SAMPLE_BYTES = 1


class Box(NamedTuple):
    """A box and the place of its content.

    Parameters
    ----------
    name
        Four letters.
    start, stop
        First byte of the content, and the end of the content as the box states it; `stop` may lie
        beyond the end of the file.
    parent
        Name of the box that holds this one, or empty.
    """

    name: bytes
    start: int
    stop: int
    parent: bytes


def is_mp4(head: bytes) -> bool:
    """Return whether a file is MP4 or MOV.

    Parameters
    ----------
    head
        At least the first 8 bytes of the file.
    """
    return head[4:8] in _FIRST_BOXES


def walk_boxes(file: BinaryFile, size: int, *, max_depth: int = _MAX_DEPTH) -> Iterator[Box]:
    """Walk through the boxes of a file, in its order.

    Parameters
    ----------
    file
        An MP4 or MOV file.
    size
        Size of the file, bytes.
    max_depth
        How deep boxes may be nested; deeper ones are left out. With 1, only the boxes that no other
        box holds are visited.

    Yields
    ------
    Box
        Each box comes before those that it holds. After a length that is impossible, the walk
        continues at the end of the box around it.
    """
    # Ends of the boxes that the walk is in, limited to that of the box around each.
    parents, stops = [b""], [size]
    position = 0
    while stops:
        if position + 8 > stops[-1]:
            position = stops.pop()
            parents.pop()
            continue
        file.seek(position)
        head = file.read(16)
        length, name, start = int.from_bytes(head[:4], "big"), head[4:8], position + 8
        if length == 1:
            length, start = int.from_bytes(head[8:16], "big"), position + 16
        stop = position + length if length else size
        if min(stop, stops[-1]) < start:
            position = stops.pop()
            parents.pop()
            continue
        yield Box(name, start, stop, parents[-1])
        if name in _PARENTS and len(stops) < max_depth:
            parents.append(name)
            stops.append(min(stop, stops[-1]))
            position = start
        else:
            position = min(stop, stops[-1])


def has_index(file: BinaryFile, size: int) -> bool:
    """Return whether a file has the box that says where its frames are (``moov``).

    Parameters
    ----------
    file
        An MP4 or MOV file.
    size
        Size of the file, bytes.
    """
    return any(box.name == b"moov" for box in walk_boxes(file, size))


def implausible_sample_count(file: BinaryFile, size: int) -> int | None:
    """Return the sample count of a file if it cannot be true.

    Parameters
    ----------
    file
        An MP4 or MOV file.
    size
        Size of the file, bytes.

    Returns
    -------
    int or None
        The count that the file states for its sound or for its video, if that is more than 2**20
        and leaves less than 1 byte of the file for each sound sample or less than 64 bytes for each
        video sample; else None.
    """
    counts = {True: 0, False: 0}
    is_sound = False
    for box in walk_boxes(file, size):
        if box.name == b"trak":
            is_sound = False
        elif box.name == b"hdlr" and box.parent == b"mdia":
            file.seek(box.start + 8)
            is_sound = file.read(4) == b"soun"
        elif box.name in _COUNT_OFFSETS:
            file.seek(box.start + _COUNT_OFFSETS[box.name])
            counts[is_sound] += int.from_bytes(file.read(4), "big")
            min_bytes = _MIN_SOUND_SAMPLE_BYTES if is_sound else _MIN_VIDEO_SAMPLE_BYTES
            if counts[is_sound] > max(_PLAUSIBLE_SAMPLES, size // min_bytes):
                return counts[is_sound]
    return None
