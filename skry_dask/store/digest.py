"""Digests: they decide whether a stored result may be reused.

SHA-256 over canonical JSON. Dask's tokens will not do: those of some functions differ between
processes.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from skry_dask.errors import ReaderError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCHEMA = 2
"""Version of the layout of stores."""

END_BYTES = 2**16
"""Number of bytes at the beginning and at the end of a file that `fingerprint` reads."""


def digest_of(*values: Any) -> str:
    """Compute a digest that is the same in every process and on every machine.

    Parameters
    ----------
    values
        JSON-compatible.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def fingerprint(files: Sequence[Path]) -> str:
    """Compute a digest of files from their sizes, dates, and the ends of the first.

    Parameters
    ----------
    files
        The files of a capture in their order, at least one.

    Returns
    -------
    str
        32 hexadecimal digits. They change with the size or the date of any file, and with the first
        or last 64 KiB of the first file.

    Raises
    ------
    ReaderError
        If a file cannot be read.
    """
    path = files[0]
    try:
        with path.open("rb") as file:
            head = file.read(END_BYTES)
            file.seek(max(0, path.stat().st_size - END_BYTES))
            tail = file.read(END_BYTES)
        states = []
        for path in files:
            status = path.stat()
            states.append([status.st_size, status.st_mtime_ns])
    except OSError as error:
        raise ReaderError(f"{path} cannot be read ({error.strerror}): check the file") from error
    return digest_of(SCHEMA, states, hashlib.sha256(head + tail).hexdigest())
