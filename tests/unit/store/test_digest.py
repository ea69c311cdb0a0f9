"""Digests: equal for equal inputs in every process, different for everything else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from skry_dask.errors import ReaderError
from skry_dask.store.digest import digest_of, fingerprint

if TYPE_CHECKING:
    from pathlib import Path


def test_a_digest_depends_on_values_and_not_on_the_order_of_keys() -> None:
    assert digest_of("a", {"x": 1, "y": 2.5}) == digest_of("a", {"y": 2.5, "x": 1})
    assert digest_of("a", 1) != digest_of("a", 2)


def test_a_digest_is_the_same_on_every_machine() -> None:
    # Stores are shared.
    assert digest_of("align", {"percent": 30.0}) == "af93790285e3ce0d15cd2e2e0196cbd4"


def test_a_fingerprint_changes_with_content_size_and_date_of_files(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]

    def write(first: bytes, second: bytes = b"other", date: int = 10**9) -> str:
        for path, content in zip(files, (first, second), strict=True):
            path.write_bytes(content)
            os.utime(path, ns=(date, date))
        return fingerprint(files)

    long = bytes(300_000)
    found = [
        write(long),
        write(b"1" + long[1:]),
        write(long[1:] + b"1"),
        write(long + b"0"),
        write(long, b"others"),
        write(long, date=2 * 10**9),
    ]
    assert len(set(found)) == len(found)
    assert write(long) == found[0]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match=r"gone\.ser cannot be read"):
        fingerprint([tmp_path / "gone.ser"])
