"""Whatever cannot work ends in one line, exit 1, nothing half-written, and an untouched input."""

from __future__ import annotations

import resource
import shutil
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.io.raw.ser import write_ser
from tests.processes import complaints

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def stack(
    path: Path, folder: Path, *flags: object, output: str = "out.tif", limit: int | None = None
) -> subprocess.CompletedProcess[str]:
    def restrict() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "skry_dask", "stack", path, "-o", output, *flags]
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        preexec_fn=restrict,
    )


def assert_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    assert len(complaints(done)) == 1, done.stderr
    for word in words:
        assert word in done.stderr


def ser_of(path: Path, frames: np.ndarray) -> Path:
    n_frames, height, width = frames.shape
    bits = 8 * frames.dtype.itemsize
    write_ser(path, frames, n_frames=n_frames, height=height, width=width, bits=bits)
    return path


def missing(folder: Path) -> Path:
    return folder / "bad.ser"


def empty_folder(folder: Path) -> Path:
    path = folder / "bad"
    path.mkdir()
    return path


def text_file(folder: Path) -> Path:
    path = folder / "bad.ser"
    path.write_text("Dear diary, the seeing was poor tonight.\n" * 20)
    return path


def header_only(folder: Path) -> Path:
    path = ser_of(folder / "bad.ser", np.zeros((2, 100, 100), np.uint8))
    path.write_bytes(path.read_bytes()[:178])
    return path


def cut_header(folder: Path) -> Path:
    path = ser_of(folder / "bad.ser", np.zeros((2, 100, 100), np.uint8))
    path.write_bytes(path.read_bytes()[:90])
    return path


def unknown_codec(folder: Path) -> Path:
    """An AVI whose frames are in a codec that nobody has."""

    def chunk(tag: bytes, data: bytes) -> bytes:
        return tag + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    main = struct.pack("<14I", 33333, 0, 0, 16, 2, 0, 1, 0, 64, 48, 0, 0, 0, 0)
    stream = b"vidsZQZQ" + struct.pack(
        "<IHHIIIIIIIi4H", 0, 0, 0, 0, 1, 30, 0, 2, 0, 0, 0, 0, 0, 64, 48
    )
    image = struct.pack("<IiiHH4sIiiII", 40, 64, 48, 1, 24, b"ZQZQ", 0, 0, 0, 0, 0)
    streams = b"LIST" + chunk(b"", b"")[:0]
    body = b"strl" + chunk(b"strh", stream) + chunk(b"strf", image)
    streams += struct.pack("<I", len(body)) + body
    header = b"hdrl" + chunk(b"avih", main) + streams
    movie = b"movi" + chunk(b"00dc", bytes(range(100))) * 2
    riff = b"AVI " + chunk(b"LIST", header) + chunk(b"LIST", movie)
    path = folder / "bad.avi"
    path.write_bytes(chunk(b"RIFF", riff))
    return path


def tiny_frames(folder: Path) -> Path:
    return ser_of(folder / "bad.ser", np.full((5, 20, 30), 90, np.uint8))


def black_video(folder: Path) -> Path:
    return ser_of(folder / "bad.ser", np.zeros((5, 120, 120), np.uint8))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (missing, ["bad.ser"]),
        (empty_folder, ["bad", "folder"]),
        (text_file, ["bad.ser", "SER"]),
        (header_only, ["bad.ser", "frame"]),
        (cut_header, ["bad.ser"]),
        (unknown_codec, ["bad.avi", "ZQZQ"]),
        (tiny_frames, ["bad.ser", "30 x 20", "--anchor-size"]),
        (black_video, ["bad.ser", "nothing to see"]),
    ],
)
def test_what_cannot_be_stacked_is_one_line(
    tmp_path: Path, make: Callable[[Path], Path], words: list[str]
) -> None:
    path = make(tmp_path)
    before = path.read_bytes() if path.is_file() else None
    done = stack(path, tmp_path)
    assert_one_line(done, *words)
    assert not (tmp_path / "out.tif").exists()
    if before is not None:
        assert path.read_bytes() == before


def test_a_truncated_ser_is_stacked_and_the_loss_is_told(moon_ser: Path, tmp_path: Path) -> None:
    moon_ser.write_bytes(moon_ser.read_bytes()[: 178 + 240 * 180 * 30 + 1000])
    done = stack(moon_ser, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "30 of 30 frames" in done.stdout
    assert "note:" in done.stdout


def test_a_missing_output_folder_is_told_before_anything_runs(
    moon_ser: Path, tmp_path: Path
) -> None:
    done = stack(moon_ser, tmp_path, output="nowhere/out.tif")
    assert_one_line(done, "nowhere", "create it")
    assert not list(tmp_path.glob("*.skry"))


def test_the_input_is_never_overwritten(moon_ser: Path, tmp_path: Path) -> None:
    before = moon_ser.read_bytes()
    done = stack(moon_ser, tmp_path, "--output-format", "tiff16", output="moon.ser")
    assert_one_line(done, "is the input")
    assert moon_ser.read_bytes() == before


def test_a_read_only_input_folder_sends_results_beside_the_output(
    moon_ser: Path, tmp_path: Path
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    path = shutil.copy(moon_ser, locked / "moon.ser")
    out = tmp_path / "out"
    out.mkdir()
    locked.chmod(0o555)
    try:
        done = stack(path, out)
        assert done.returncode == 0, done.stderr
        assert "read-only" in done.stdout
        assert str(out / "moon.skry") in done.stdout
        assert (out / "moon.skry" / "align").is_dir()
        assert [p.name for p in locked.iterdir()] == ["moon.ser"]
    finally:
        locked.chmod(0o755)


def test_a_full_disk_leaves_nothing_half_written(moon_ser: Path, tmp_path: Path) -> None:
    # A limit on the size of files is met like a full disk: writes fail in the middle of a file.
    done = stack(moon_ser, tmp_path, limit=3000)
    assert done.returncode == 1
    assert len(complaints(done)) == 1, done.stderr
    assert "moon" in done.stderr
    assert not (tmp_path / "out.tif").exists()
    leftovers = [p for p in tmp_path.rglob("*") if "partial" in p.name or p.suffix == ".part"]
    assert leftovers == []
    assert skry.run(moon_ser)["stack"].notnull().all()  # and what is there does no harm


def test_a_store_cut_short_is_computed_again(moon_ser: Path, tmp_path: Path) -> None:
    first = skry.run(moon_ser)
    summary = first.attrs["summary"]
    for phase in ("track", "stack"):
        place = tmp_path / "moon.skry" / phase / summary["phases"][phase]["digest"] / "zarr.json"
        place.write_text("{")
    again = skry.run(moon_ser)
    statuses = {name: p["status"] for name, p in again.attrs["summary"]["phases"].items()}
    assert statuses == {"align": "reused", "quality": "reused", "track": "ran", "stack": "ran"}
    assert again["stack"].to_numpy().tobytes() == first["stack"].to_numpy().tobytes()


def test_bad_frames_are_left_out_and_told(moon_file: Path, tmp_path: Path) -> None:
    frames = skry.open_capture(moon_file)["frames"].to_numpy().copy()
    frames[7] = 0
    frames[20] = np.random.default_rng(1).integers(0, 255, frames[20].shape, np.uint8)
    path = ser_of(tmp_path / "cloudy.ser", frames)
    done = stack(path, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "38 of 40 frames" in done.stdout
    assert "1 nothing to see, 1 not recognised" in done.stdout


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--store", "taken.txt"), ["taken.txt", "not a store"]),
        (("--store", "no/such.skry"), ["no", "create it"]),
    ],
)
def test_a_store_that_cannot_be_is_told_before_anything_runs(
    moon_ser: Path, tmp_path: Path, flags: tuple[str, ...], words: list[str]
) -> None:
    (tmp_path / "taken.txt").write_text("dear diary")
    assert_one_line(stack(moon_ser, tmp_path, *flags), *words)
    assert (tmp_path / "taken.txt").read_text() == "dear diary"


def test_an_image_is_not_written_into_the_store(moon_ser: Path, tmp_path: Path) -> None:
    skry.run(moon_ser)
    before = (tmp_path / "moon.skry" / "zarr.json").read_bytes()
    flags = ("--output-format", "tiff16")
    done = stack(moon_ser, tmp_path, *flags, output="moon.skry/zarr.json")
    assert_one_line(done, "lies in the store")
    assert (tmp_path / "moon.skry" / "zarr.json").read_bytes() == before


def test_a_read_only_store_is_read_and_results_go_beside_the_output(
    moon_ser: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.skry"
    skry.import_capture(moon_ser, kept)
    out = tmp_path / "out"
    out.mkdir()
    kept.chmod(0o555)
    try:
        done = stack(kept, out)
        assert done.returncode == 0, done.stderr
        assert "read-only" in done.stdout
        assert (out / "kept.skry" / "stack").is_dir()
        assert not (kept / "align").exists()
    finally:
        kept.chmod(0o755)
