"""Digests: they decide whether a stored result may be reused.

SHA-256 over canonical JSON. Dask's tokens will not do: those of some functions differ between
processes.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, cast

from skry_dask.errors import ReaderError
from skry_dask.io.remote_file import PinnedFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from skry_dask.io.remote_file import FilePath

SCHEMA = 2
"""Version of the layout of stores."""

SAMPLED_BYTES = 2**22
"""Number of bytes of a capture that `fingerprint` reads; more only of more than 128 files.

4 MiB take 10 ms from memory or a solid-state disk, 1 s from a disk that has to seek 128 times."""

READ_BYTES = 2**23
"""Number of bytes that are read at a time of a file at a URL."""

SAMPLES = 128
"""Number of blocks, evenly spaced over a file, of which these bytes consist."""

MIN_SAMPLES = 8
"""Smallest number of blocks in each of several files."""

MIN_BLOCK_BYTES = 2**12
"""Smallest size of a block: what a disk reads at once."""


def digest_of(*values: Any) -> str:
    """Compute a digest that is the same in every process and on every machine.

    Parameters
    ----------
    values
        JSON-compatible. Equal numbers have one digest, whether they are 20 or 20.0.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    text = json.dumps(
        _with_equal_numbers(values), sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _with_equal_numbers(value: Any) -> Any:
    """Write whole numbers as integers: the command line gives floats, programs often do not."""
    if isinstance(value, dict):
        return {key: _with_equal_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_equal_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def fingerprint(files: Sequence[FilePath], *, verify: bool = False) -> str:
    """Compute a digest of the content of files: of their sizes, and of samples or of all bytes.

    Dates are left out: a copy has other dates, and a file that was repaired may keep them. A change
    between the samples is not noticed; the samples are the whole file up to 4 MiB, and of larger
    ones 128 blocks of 32 KiB, so that files with other frames, or a part that was damaged, differ.
    Of several files there are fewer and smaller ones, at least 8 of 4 KiB in each.

    Parameters
    ----------
    files
        The files of a capture in their order, at least one; or a single one at a URL, of which the
        digest is that of a local copy.
    verify
        Read all bytes, so that every change is noticed.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    ReaderError
        If a file cannot be read.
    """
    if isinstance(files[0], PinnedFile):
        return _fingerprint_at_url(files[0], verify=verify)
    n_samples = max(SAMPLES // len(files), MIN_SAMPLES)
    n_bytes = max(SAMPLED_BYTES // len(files) // n_samples, MIN_BLOCK_BYTES)
    contents = []
    for path in cast("Sequence[Path]", files):
        try:
            with path.open("rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                if verify or size <= n_samples * n_bytes:
                    content = hashlib.file_digest(file, "sha256")
                else:
                    content = hashlib.sha256()
                    for i in range(n_samples):
                        file.seek(i * (size - n_bytes) // (n_samples - 1))
                        content.update(file.read(n_bytes))
        except OSError as error:
            raise ReaderError(
                f"{path} cannot be read ({error.strerror}): check the file"
            ) from error
        contents.append([size, content.hexdigest()])
    return digest_of(SCHEMA, contents, *(["all bytes"] if verify else []))


def _fingerprint_at_url(file: PinnedFile, *, verify: bool) -> str:
    """Compute the `fingerprint` of a file at a URL, several requests at a time."""
    n_bytes, size = SAMPLED_BYTES // SAMPLES, file.size
    content = hashlib.sha256()
    with file.open() as remote:
        if verify or size <= SAMPLED_BYTES:
            for start in range(0, size, READ_BYTES):
                remote.seek(start)
                content.update(remote.read(READ_BYTES))
        else:
            starts = [i * (size - n_bytes) // (SAMPLES - 1) for i in range(SAMPLES)]
            remote.prefetch((start, start + n_bytes) for start in starts)
            for start in starts:
                remote.seek(start)
                content.update(remote.read(n_bytes))
    contents = [[size, content.hexdigest()]]
    return digest_of(SCHEMA, contents, *(["all bytes"] if verify else []))
