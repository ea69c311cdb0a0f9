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
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from skry_dask.store.pieces.blobs import GoneError

if TYPE_CHECKING:
    from skry_dask.store.pieces.blobs import Blobs
    from skry_dask.types import AnyArray, IntArray

SUMS = "sums"
"""First name in the keys of pieces."""

PART_BYTES = 2**24
"""Size of a part of the sums, before it is compressed, bytes."""

_HEAD, _PENDING = "head", "pending"

_WHOLE, _PART, _NEW = "whole-", "part-", "new-"


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


def name_of(held: AnyArray) -> str:
    """Name a piece after what it holds: uint8 (frame, ...)."""
    return hashlib.sha256(np.ascontiguousarray(held).reshape(-1).data).hexdigest()[:16]


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
        Whether they are the sums of a complete result, which are not seen before `confirm_piece`.

    Returns
    -------
    First names of the keys of its blobs.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    flat, held = np.ascontiguousarray(sums).reshape(-1), np.ascontiguousarray(held)
    name = name_of(held)
    here = f"{place}/{_NEW if whole else _PART}{name}"
    n_entries = PART_BYTES // 8
    parts = range(0, len(flat), n_entries)
    about = {
        "shape": sums.shape,
        "held": held.shape,
        "parts": len(parts),
        "whole": whole,
        "written": time.time_ns(),
    }
    blobs.delete(here)  # of a job that was killed
    try:
        for i, first in enumerate(parts):
            blobs.put(f"{here}/{i}", _encode(flat[first : first + n_entries]))
        head = json.dumps(about).encode() + b"\n" + bytes(_codec().encode(held))
        blobs.put(f"{here}/{_PENDING if whole else _HEAD}", head)
    except BaseException:
        blobs.delete(here)
        raise
    return here


def confirm_piece(blobs: Blobs, place: str, name: str) -> None:
    """Let the sums of a complete result be seen.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    here, to = f"{place}/{_NEW}{name}", f"{place}/{_WHOLE}{name}"
    head = blobs.get(f"{here}/{_PENDING}")
    if head is None:
        return
    try:
        for i in range(json.loads(head.partition(b"\n")[0])["parts"]):
            blobs.put(f"{to}/{i}", blobs.get(f"{here}/{i}") or b"")
        blobs.put(f"{to}/{_HEAD}", head)
    except BaseException:
        blobs.delete(to)
        raise
    finally:
        blobs.delete(here)


def settle_pieces(blobs: Blobs, label: str) -> None:
    """Delete what was kept while a fold ran whose result is complete, and let its sums be seen.

    Parameters
    ----------
    blobs
        Where pieces are kept.
    label
        Place and name of the sums; or the place alone, where their name is not known.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    place, _, name = label.partition(":")
    if name:
        confirm_piece(blobs, place, name)
    delete_parts(blobs, place)


def unconfirmed(blobs: Blobs, place: str) -> list[str]:
    """Name the sums at a place that `confirm_piece` would let be seen."""
    heres = [key.rpartition("/")[0] for key in blobs.list(place) if key.endswith(f"/{_PENDING}")]
    return [here.rpartition("/")[2].removeprefix(_NEW) for here in heres]


def forget_unconfirmed(blobs: Blobs, place: str) -> None:
    """Delete sums of which it is not known whether their result was complete."""
    for name in unconfirmed(blobs, place):
        blobs.delete(f"{place}/{_NEW}{name}")


def delete_parts(blobs: Blobs, place: str) -> None:
    """Delete all but the sums of complete results."""
    for here in {key.rpartition("/")[0] for key in blobs.list(place)}:
        if here.rpartition("/")[2].startswith((_PART, _NEW)):
            blobs.delete(here)


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


def read_parts(blobs: Blobs, piece: SumPiece) -> dict[str, bytes] | None:
    """Read the parts of a piece by their keys, still compressed; None if one is damaged or gone."""
    parts: dict[str, bytes] = {}
    for i in range(piece.n_parts):
        key = f"{piece.place}/{i}"
        content = blobs.get(key)
        if content is None:
            return None
        parts[key] = content
    return parts


class Parts(Protocol):
    """Where parts are read from: blobs, or what `read_parts` has read of them."""

    def get(self, key: str, /) -> bytes | None:
        """Return the content of a part, or None."""


def add_piece(parts: Parts, piece: SumPiece, sums: IntArray) -> None:
    """Add a piece to sums of its shape: int64, changed in place.

    Raises
    ------
    GoneError
        If the piece has been damaged or deleted since it was found.
    """
    flat, first = sums.reshape(-1), 0
    for i in range(piece.n_parts):
        content = parts.get(f"{piece.place}/{i}")
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
