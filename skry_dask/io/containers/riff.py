"""Chunks of a RIFF file, the container of AVI.

A chunk is a FourCC, the length of its content (32 bits, little-endian) and the content, padded to
an even length. The content of a list, ``RIFF`` or ``LIST``, is a FourCC and further chunks
(Microsoft, "AVI RIFF File Reference").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from skry_dask.io.files import BinaryFile

LISTS = (b"RIFF", b"LIST")
"""FourCCs of the chunks that hold other chunks."""


class Chunk(NamedTuple):
    """A chunk and the place of its content.

    Parameters
    ----------
    fourcc
        Four letters that name the chunk; empty where the bytes are no chunk.
    start
        First byte of the content in the file. For a list, it is the first byte of the chunks in it.
    length
        Length of the content as the file states it, bytes; may reach beyond the end of the file.
    list_type
        For a list, the FourCC that its content starts with; empty for other chunks.
    """

    fourcc: bytes
    start: int
    length: int
    list_type: bytes = b""

    @property
    def stop(self) -> int:
        """End of the content as the file states it, bytes."""
        return self.start - len(self.list_type) + self.length


def walk_chunks(
    file: BinaryFile, size: int, *, enter: Collection[bytes] = LISTS
) -> Iterator[Chunk]:
    """Walk through the chunks of a RIFF file, in the order of the file.

    Parameters
    ----------
    file
        A RIFF file.
    size
        Size of the file, bytes.
    enter
        FourCCs of the lists whose chunks are visited as well. The walk steps over all other chunks
        by the length that they state.

    Yields
    ------
    Chunk
        A list comes before the chunks in it. A chunk with an empty `fourcc` is the last one: the
        bytes there are no chunk, and nothing can be found after them.

    Notes
    -----
    Each chunk costs one seek and one read of 12 bytes: 0.2 s for 100 000 frames in the page cache.
    """
    position, is_odd = 0, False
    while position + 8 <= size:
        file.seek(position)
        head = file.read(12)
        if is_odd and not _is_fourcc(head[:4]):
            # Some programs do not pad chunks of odd length.
            position -= 1
            file.seek(position)
            head = file.read(12)
        fourcc, length = head[:4], int.from_bytes(head[4:8], "little")
        if not _is_fourcc(fourcc):
            yield Chunk(b"", position, 0)
            return
        is_list = fourcc in LISTS
        start = position + (12 if is_list else 8)
        yield Chunk(fourcc, start, length, head[8:12] if is_list else b"")
        if is_list and fourcc in enter:
            position, is_odd = start, False
        else:
            is_odd = bool(length % 2)
            position += 8 + length + is_odd


def _is_fourcc(letters: bytes) -> bool:
    return len(letters) == 4 and letters.isascii() and letters.decode("ascii").isprintable()
