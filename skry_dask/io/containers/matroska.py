"""Length of a Matroska file (MKV, WebM) as its first bytes state it.

A Matroska file consists of EBML elements: identifier, length, content (RFC 8794). The first is a
short header, the second the segment, which is nearly the whole file.
"""

from __future__ import annotations

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def is_matroska(head: bytes) -> bool:
    """Return whether a file is Matroska.

    Parameters
    ----------
    head
        At least the first 4 bytes of the file.
    """
    return head.startswith(_EBML)


def segment_stop(head: bytes) -> int | None:
    """Return the end of the segment as the file states it, bytes; None if it states none.

    Parameters
    ----------
    head
        The first 64 bytes of a Matroska file.
    """
    length, position = _read_length(head, len(_EBML))
    position += length or 0
    if head[position : position + 4] != _SEGMENT:
        return None
    length, position = _read_length(head, position + 4)
    return None if length is None else position + length


def _read_length(head: bytes, position: int) -> tuple[int | None, int]:
    """Read the length of an element (RFC 8794, 4) and return it with the position after it.

    The length is None where the file says that it is unknown.
    """
    first = head[position] if position < len(head) else 0
    n_bytes = 9 - first.bit_length()
    if n_bytes > 8:
        return None, position + 1
    n_bits = 7 * n_bytes
    length = int.from_bytes(head[position : position + n_bytes], "big") & ((1 << n_bits) - 1)
    return (None if length == (1 << n_bits) - 1 else length), position + n_bytes
