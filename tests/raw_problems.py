"""What a reader has found wrong with its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skry_dask.io.reader import RawReader


def problem(reader: RawReader) -> str:
    """The only problem of a file."""
    (found,) = reader.info.problems
    return found
