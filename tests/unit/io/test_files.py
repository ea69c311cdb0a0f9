"""Bytes are read completely, or an error names the file and a remedy."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import numpy as np
import pytest

from skry_dask.errors import ReaderError
from skry_dask.io.files import (
    cannot_read,
    check_frame_range,
    is_folder,
    open_for_reading,
    read_into,
    read_text,
)


class SlowFile:
    """A file of which each call reads at most three bytes, as a network may do."""

    name = "slow.ser"

    def __init__(self, content: bytes) -> None:
        self.content, self.position = content, 0

    def seek(self, position: int) -> None:
        self.position = position

    def readinto(self, target: memoryview) -> int:
        piece = self.content[self.position : self.position + min(3, len(target))]
        target[: len(piece)] = piece
        self.position += len(piece)
        return len(piece)


def test_an_array_is_filled_however_few_bytes_a_call_reads() -> None:
    content = bytes(range(100))
    target = np.empty((2, 5), "<u2")
    read_into(SlowFile(content), 7, target)  # type: ignore[arg-type]
    assert target.tobytes() == content[7:27]
    with pytest.raises(ReaderError, match=r"slow\.ser: it ends 10 bytes too early"):
        read_into(SlowFile(content), 90, target)  # type: ignore[arg-type]


def test_errors_of_the_operating_system_name_the_file_and_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "moon.ser"
    with (
        pytest.raises(ReaderError, match=r"cannot read .*moon\.ser.*check the path"),
        open_for_reading(path),
    ):
        pass  # fmt: skip
    for number, remedy in (
        (errno.EACCES, "ask for permission"),
        (errno.EIO, "check the disk"),
        (errno.EBUSY, "check the disk or the network"),
    ):
        message = str(cannot_read(path, OSError(number, os.strerror(number))))
        assert re.fullmatch(rf"cannot read .*moon\.ser: .+; {remedy}.*", message)


@pytest.mark.skipif(os.name == "nt", reason="there are no such files")
def test_a_pipe_or_a_device_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ReaderError, match="device or a pipe; copy it"), open_for_reading(path):
            pass
        with pytest.raises(ReaderError, match="device or a pipe; copy it"):
            read_text(path, 100)


def test_a_text_file_is_read_up_to_its_greatest_length(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_bytes(b"\xef\xbb\xbfy,x\n1,\xff2\n")
    assert read_text(path, 13) == "y,x\n1,\ufffd2\n"
    with pytest.raises(ReaderError, match=r"points\.csv is over 9 bytes.*right file"):
        read_text(path, 9)


def test_a_name_that_is_too_long_is_no_folder(tmp_path: Path) -> None:
    assert is_folder(tmp_path)
    assert not is_folder(tmp_path / "none")
    assert not is_folder(tmp_path / ("m" * 300))


def test_frames_that_are_not_there_are_refused(tmp_path: Path) -> None:
    for start, stop in ((0, 5), (2, 2), (5, 5)):
        check_frame_range(tmp_path, start, stop, 5)
    for start, stop in ((0, 6), (-1, 2), (3, 2), (6, 6)):
        with pytest.raises(ReaderError, match="it has 5 frames"):
            check_frame_range(tmp_path, start, stop, 5)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://example.org/dark.tif?key=secret", "https://example.org/dark.tif"),
        ("s3://bucket/flags.txt", "s3://bucket/flags.txt"),
    ],
)
def test_a_side_file_at_a_url_is_refused_with_a_remedy(url: str, told: str) -> None:
    message = f"cannot read {told}: at URLs only captures are read; copy it here"
    with pytest.raises(ReaderError, match=f"^{re.escape(message)}$"):
        read_text(Path(url), 100)
