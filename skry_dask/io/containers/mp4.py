"""The boxes of an MP4 or MOV file, looked at before FFmpeg opens it.

Such a file consists of boxes (length, 32 bits, big-endian; name; content), some of which hold boxes
themselves (ISO 14496-12, 4.2). FFmpeg believes how many samples a track claims to have, and takes
40 bytes of memory for each: a damaged number in a file of 5 kB cost 2 GB. And of a recording that
was cut off it says no more than that its data are invalid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

# What files begin with: MP4, and MOV of different programs.
_FIRST = (b"ftyp", b"wide", b"mdat", b"moov", b"free", b"skip", b"pnot")
_HOLDING = (
    b"moov",
    b"trak",
    b"mdia",
    b"minf",
    b"dinf",
    b"stbl",
    b"edts",
    b"mvex",
    b"moof",
    b"traf",
)
_DEEPEST = 8

# Tables of samples, and where in them the number of samples is.
_TABLES = {b"stsz": 8, b"stz2": 8, b"trun": 4}
_BELIEVED = 1 << 20
_LEAST_BYTES = 64


class Box(NamedTuple):
    """One box.

    Parameters
    ----------
    name
        Its four letters.
    start, stop
        Place of its content in the file, bytes; not beyond the end of the box that holds it.
    parent
        The name of the box that holds it, or empty.
    """

    name: bytes
    start: int
    stop: int
    parent: bytes


def is_mp4(head: bytes) -> bool:
    """Say whether a file is MP4 or MOV.

    Parameters
    ----------
    head
        Its first 8 bytes.
    """
    return head[4:8] in _FIRST


def walk(file: FileIO, size: int) -> Iterator[Box]:
    """Go through all boxes, each before those that it holds.

    Parameters
    ----------
    file
        An MP4 or MOV file.
    size
        Its size, bytes.

    Yields
    ------
    Box.
    """
    open_boxes = [Box(b"", 0, size, b"")]
    place = 0
    while open_boxes:
        if place + 8 > open_boxes[-1].stop:
            place = open_boxes.pop().stop
            continue
        file.seek(place)
        head = file.read(16)
        length, name, start = int.from_bytes(head[:4], "big"), head[4:8], place + 8
        if length == 1:
            length, start = int.from_bytes(head[8:16], "big"), place + 16
        stop = min(place + length if length else size, open_boxes[-1].stop)
        if stop < start:
            place = open_boxes.pop().stop  # no box: nothing can be found after it
            continue
        box = Box(name, start, stop, open_boxes[-1].name)
        yield box
        if name in _HOLDING and len(open_boxes) < _DEEPEST:
            open_boxes.append(box)
            place = start
        else:
            place = stop


def lacks_index(file: FileIO, size: int) -> bool:
    """Say whether a file has no box that says where its frames are.

    Parameters
    ----------
    file
        An MP4 or MOV file.
    size
        Its size, bytes.
    """
    return not any(box.name == b"moov" for box in walk(file, size))


def incredible_samples(file: FileIO, size: int) -> int | None:
    """Find out whether a file claims more samples than it can hold.

    Parameters
    ----------
    file
        An MP4 or MOV file.
    size
        Its size, bytes.

    Returns
    -------
    How many it claims, or None if that may be. A million are always believed, and more if there
    are 64 bytes of the file for each; of sound, where a sample may be one byte, one.
    """
    claimed = {True: 0, False: 0}
    sound = False
    for box in walk(file, size):
        if box.name == b"trak":
            sound = False
        elif box.name == b"hdlr" and box.parent == b"mdia":
            file.seek(box.start + 8)
            sound = file.read(4) == b"soun"
        elif box.name in _TABLES:
            file.seek(box.start + _TABLES[box.name])
            claimed[sound] += int.from_bytes(file.read(4), "big")
            if claimed[sound] > max(_BELIEVED, size // (1 if sound else _LEAST_BYTES)):
                return claimed[sound]
    return None
