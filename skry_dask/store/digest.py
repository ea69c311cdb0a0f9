"""Digests: what tells whether a stored result may be used again.

SHA-256 over canonical JSON, not dask's tokens: those of some functions differ between processes.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from skry_dask.errors import ReaderError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCHEMA = 1
"""Version of the layout of stores."""


def digest_of(*parts: Any) -> str:
    """SHA-256 over canonical JSON, 32 hexadecimal digits: the same in every process."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def fingerprint(files: Sequence[Path]) -> str:
    """Digest of files: of each its size and date of change, of the first also beginning and end.

    Parameters
    ----------
    files
        What a capture consists of, in its order.

    Raises
    ------
    ReaderError
        If one cannot be read.
    """
    path = files[0]
    try:
        with path.open("rb") as file:
            head = file.read(2**16)
            file.seek(max(0, path.stat().st_size - 2**16))
            tail = file.read(2**16)
        states = []
        for path in files:
            status = path.stat()
            states.append([status.st_size, status.st_mtime_ns])
    except OSError as error:
        raise ReaderError(f"{path} cannot be read ({error.strerror}): check the file") from error
    return digest_of(SCHEMA, states, hashlib.sha256(head + tail).hexdigest())
