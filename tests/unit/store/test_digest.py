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


def test_whole_numbers_have_one_digest_from_the_command_line_and_from_python() -> None:
    assert digest_of({"percent": 20, "steps": [1.0, 2]}) == digest_of(
        {"percent": 20.0, "steps": (1, 2.0)}
    )
    assert digest_of({"percent": 20}) != digest_of({"percent": 20.5})
    assert digest_of({"quick": True}) != digest_of({"quick": 1.0})


def test_a_digest_is_the_same_on_every_machine() -> None:
    # Stores are shared.
    assert digest_of("align", {"percent": 30.0}) == "6f9ed7d9edc0c0a7e61bd28f7830e3a6"


def test_a_fingerprint_changes_with_the_content_of_any_file_and_not_with_dates(
    tmp_path: Path,
) -> None:
    files = [tmp_path / "a", tmp_path / "b"]

    def write(first: bytes, second: bytes = b"other", date: int = 10**9) -> str:
        for path, content in zip(files, (first, second), strict=True):
            path.write_bytes(content)
            os.utime(path, ns=(date, date))
        return fingerprint(files)

    long = bytes(300_000)
    middle = long[:150_000] + b"1" + long[150_001:]
    found = [
        write(long),
        write(b"1" + long[1:]),
        write(middle),
        write(long[1:] + b"1"),
        write(long + b"0"),
        write(long, b"others"),
        write(b"other", long),  # two images that swap their names
    ]
    assert len(set(found)) == len(found)
    assert write(long, date=2 * 10**9) == found[0]


def test_a_large_file_is_sampled_all_over_and_verified_on_request(tmp_path: Path) -> None:
    path = tmp_path / "large.ser"
    content = bytearray(64 * 2**20)
    path.write_bytes(content)
    sampled, verified = fingerprint([path]), fingerprint([path], verify=True)
    assert sampled != verified
    for start in range(0, len(content), 2**23):  # a frame of 1 MiB, anywhere
        with path.open("r+b") as file:
            file.seek(start)
            file.write(b"1" * 2**20)
        assert fingerprint([path]) != sampled
        path.write_bytes(content)
    with path.open("r+b") as file:  # a byte between two samples
        file.seek(40_000)
        file.write(b"1")
    assert fingerprint([path]) == sampled
    assert fingerprint([path], verify=True) != verified


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match=r"gone\.ser cannot be read"):
        fingerprint([tmp_path / "gone.ser"])
