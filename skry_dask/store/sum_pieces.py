"""Sums over frames on disk: exact integers, and which fragments of which frames they hold.

A piece is a few blobs: the sums in parts of `PART_BYTES`, so that little memory is needed beside
them, and then the head, which says what they hold. A piece without its head, or with a part that is
damaged, does not exist. Pieces are named after what they hold, so the same piece is there once.
Sums are compressed as bytes of equal significance (blosc, lz4): 4 MiB take 2 ms and a third of
their size.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.store.blobs import GoneError

if TYPE_CHECKING:
    from skry_dask.store.blobs import Blobs
    from skry_dask.types import AnyArray, IntArray

PART_BYTES = 2**24
"""Size of a part of the sums, before it is compressed, bytes."""

_HEAD, _PENDING = "head", "pending"


@dataclass(frozen=True, slots=True, eq=False)
class SumPiece:
    """What a piece holds.

    Parameters
    ----------
    place
        First names of the keys of its blobs.
    shape
        Shape of the sums.
    n_parts
        Number of their parts.
    whole
        Whether they are the sums of a complete result.
    written
        Time at which it was written, ns since 1970.
    held
        uint8 (frame, ...): the bits of what the sums hold of each frame.
    """

    place: str
    shape: tuple[int, ...]
    n_parts: int
    whole: bool
    written: int
    held: AnyArray


def write_piece(
    blobs: Blobs, place: str, sums: IntArray, held: AnyArray, *, whole: bool = False
) -> str:
    """Write a piece; other processes see all of it or nothing.

    Parameters
    ----------
    blobs
        Where it is kept.
    place
        First names of the keys of all pieces that go together.
    sums
        int64, of any shape.
    held
        See `SumPiece`.
    whole
        Whether they are the sums of a complete result: nobody sees them before `confirm_piece`.

    Returns
    -------
    First names of the keys of its blobs.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    flat, held = np.ascontiguousarray(sums).reshape(-1), np.ascontiguousarray(held)
    name = hashlib.sha256(held.reshape(-1).data).hexdigest()[:16]
    here = f"{place}/{'whole' if whole else 'part'}-{name}"
    n_entries = PART_BYTES // 8
    parts = range(0, len(flat), n_entries)
    about = {
        "shape": sums.shape,
        "held": held.shape,
        "parts": len(parts),
        "whole": whole,
        "written": time.time_ns(),
    }
    try:
        for i, first in enumerate(parts):
            blobs.put(f"{here}/{i}", _encode(flat[first : first + n_entries]))
        head = json.dumps(about).encode() + b"\n" + bytes(_codec().encode(held))
        blobs.put(f"{here}/{_PENDING if whole else _HEAD}", head)
    except BaseException:
        blobs.delete(here)
        raise
    return here


def confirm_pieces(blobs: Blobs, place: str) -> None:
    """Let the pieces of a complete result be seen.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    for key in blobs.list(place):
        here, _, name = key.rpartition("/")
        head = blobs.get(key) if name == _PENDING else None
        if head is not None:
            blobs.put(f"{here}/{_HEAD}", head)
            blobs.delete(key)


def settle_pieces(blobs: Blobs, place: str) -> None:
    """Delete what was kept while a fold ran whose result is complete, and let its sums be seen.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    for here in {key.rpartition("/")[0] for key in blobs.list(place)}:
        if here.rpartition("/")[2].startswith("part-"):
            blobs.delete(here)
    confirm_pieces(blobs, place)


def list_pieces(blobs: Blobs, place: str) -> list[SumPiece]:
    """Find the pieces at a place whose heads are sound, oldest first."""
    found = []
    for key in blobs.list(place):
        here, _, name = key.rpartition("/")
        content = blobs.get(key) if name == _HEAD else None
        if content is not None:
            text, _, packed = content.partition(b"\n")
            about: dict[str, Any] = json.loads(text)
            held = np.frombuffer(_codec().decode(packed), np.uint8).reshape(about["held"])
            shape = tuple(about["shape"])
            found.append(
                SumPiece(here, shape, about["parts"], about["whole"], about["written"], held)
            )
    return sorted(found, key=lambda piece: piece.written)


def is_sound(blobs: Blobs, piece: SumPiece) -> bool:
    """Whether all parts of a piece can be read."""
    return all(blobs.get(f"{piece.place}/{i}") is not None for i in range(piece.n_parts))


def add_piece(blobs: Blobs, piece: SumPiece, sums: IntArray) -> None:
    """Add a piece to sums of its shape: int64, changed in place.

    Raises
    ------
    GoneError
        If the piece has been damaged or deleted since it was found.
    """
    flat, first = sums.reshape(-1), 0
    for i in range(piece.n_parts):
        content = blobs.get(f"{piece.place}/{i}")
        if content is None:
            raise GoneError(
                f"{piece.place} of the store was damaged or deleted meanwhile: run the job again"
            )
        part = _decode(content)
        flat[first : first + len(part)] += part
        first += len(part)


def _encode(sums: IntArray) -> bytes:
    """Write int64 (entry) as bytes, of which the first says how wide they are."""
    fits = len(sums) == 0 or max(-int(sums.min()), int(sums.max())) < 2**31
    narrow = sums.astype(np.int32) if fits else sums
    return bytes([narrow.itemsize]) + bytes(_codec().encode(narrow))


def _decode(content: bytes) -> AnyArray:
    values: AnyArray = np.frombuffer(_codec().decode(content[1:]), f"i{content[0]}")
    return values


def _codec() -> Any:
    from numcodecs.blosc import Blosc

    return Blosc("lz4", 5, Blosc.SHUFFLE)
