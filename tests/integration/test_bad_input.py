"""Whatever cannot work ends in one line, exit 1, nothing half-written, and an untouched input."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest
import tifffile

import skry_dask as skry
from skry_dask.io.raw.ser import write_ser
from tests.processes import complaints

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import xarray as xr

    from tests.command_line import CommandLine

Outcome: TypeAlias = tuple[int, str, str]
"""Exit status, standard output, standard error."""

folders_have_permissions = pytest.mark.skipif(os.name == "nt", reason="not on Windows")


def assert_one_line(outcome: Outcome, *words: str) -> None:
    status, out, err = outcome
    assert (status, out) == (1, ""), (out, err)
    assert len(complaints(err)) == 1, err
    for word in words:
        assert word in err


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
    tmp_path: Path, cli: CommandLine, make: Callable[[Path], Path], words: list[str]
) -> None:
    path = make(tmp_path)
    before = path.read_bytes() if path.is_file() else None
    assert_one_line(cli("stack", path, "-o", "out.tif"), *words)
    assert not (tmp_path / "out.tif").exists()
    if before is not None:
        assert path.read_bytes() == before


def test_a_truncated_ser_is_stacked_and_the_loss_is_told(moon_ser: Path, cli: CommandLine) -> None:
    moon_ser.write_bytes(moon_ser.read_bytes()[: 178 + 240 * 180 * 30 + 1000])
    status, out, err = cli("stack", moon_ser, "-o", "out.tif", "--quick")
    assert status == 0, err
    assert "30 of 30 frames" in out
    assert "note:" in out


def test_a_missing_output_folder_is_told_before_anything_runs(
    moon_ser: Path, tmp_path: Path, cli: CommandLine
) -> None:
    assert_one_line(cli("stack", moon_ser, "-o", "nowhere/out.tif"), "nowhere", "create it")
    assert not list(tmp_path.glob("*.skry"))


def test_the_input_is_never_overwritten(moon_ser: Path, tmp_path: Path, cli: CommandLine) -> None:
    before = moon_ser.read_bytes()
    flags = ("-o", "moon.ser", "--output-format", "tiff16")
    assert_one_line(cli("stack", moon_ser, *flags), "is the input")
    assert moon_ser.read_bytes() == before


def test_a_folder_of_frames_can_be_stacked_from_within(
    moon: xr.Dataset, tmp_path: Path, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "night"
    folder.mkdir()
    for number, frame in enumerate(moon["frames"].to_numpy()[:12]):
        tifffile.imwrite(folder / f"{number}.tif", frame)
    monkeypatch.chdir(folder)
    # The image would be one of the frames next time.
    assert_one_line(cli("stack", "."), "night-stack.tif is the input", "-o")
    status, out, err = cli("stack", ".", "-o", "../out.tif", "--quick")
    assert status == 0, err
    assert "12 of 12 frames" in out
    assert (tmp_path / "night.skry").is_dir()
    status, _, err = cli("dark", ".", "-o", "../dark.tif")
    assert status == 0, err


@folders_have_permissions
def test_a_read_only_input_folder_sends_results_beside_the_output(
    moon_ser: Path, tmp_path: Path, cli: CommandLine
) -> None:
    locked, out = tmp_path / "locked", tmp_path / "out"
    locked.mkdir()
    out.mkdir()
    path = shutil.copy(moon_ser, locked / "moon.ser")
    locked.chmod(0o555)
    try:
        status, said, err = cli("stack", path, "-o", out / "out.tif", "--quick")
        assert status == 0, err
        assert "read-only" in said
        assert str(out / "moon.skry") in said
        assert (out / "moon.skry" / "align").is_dir()
        assert [p.name for p in locked.iterdir()] == ["moon.ser"]
    finally:
        locked.chmod(0o755)


def test_a_full_disk_leaves_nothing_half_written(moon_ser: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")

    # A limit on the size of files is met like a full disk: writes fail in the middle of a file.
    def restrict() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    command = [sys.executable, "-m", "skry_dask", "stack", moon_ser, "-o", "out.tif"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, check=False, preexec_fn=restrict
    )
    assert_one_line((done.returncode, done.stdout, done.stderr), "moon")
    assert not (tmp_path / "out.tif").exists()
    leftovers = [p for p in tmp_path.rglob("*") if "partial" in p.name or p.suffix == ".part"]
    assert leftovers == []
    assert skry.run(moon_ser, quick=True)["stack"].notnull().all()  # and what is there does no harm


def test_a_store_cut_short_is_computed_again(moon_ser: Path, tmp_path: Path) -> None:
    first = skry.run(moon_ser, quick=True)
    summary = first.attrs["summary"]
    for phase in ("track", "stack"):
        place = tmp_path / "moon.skry" / phase / summary["phases"][phase]["digest"] / "zarr.json"
        place.write_text("{")
    again = skry.run(moon_ser, quick=True)
    statuses = {name: p["status"] for name, p in again.attrs["summary"]["phases"].items()}
    assert statuses == {"align": "reused", "quality": "reused", "track": "ran", "stack": "ran"}
    assert again["stack"].to_numpy().tobytes() == first["stack"].to_numpy().tobytes()


def test_bad_frames_are_left_out_and_told(
    moon: xr.Dataset, tmp_path: Path, cli: CommandLine
) -> None:
    frames = moon["frames"].to_numpy().copy()
    frames[7] = 0
    frames[20] = np.random.default_rng(1).integers(0, 255, frames[20].shape, np.uint8)
    path = ser_of(tmp_path / "cloudy.ser", frames)
    status, out, err = cli("stack", path, "-o", "out.tif", "--quick")
    assert status == 0, err
    assert "38 of 40 frames" in out
    assert "1 nothing to see, 1 not recognised" in out


@pytest.mark.parametrize(
    ("store", "words"),
    [("taken.txt", ["taken.txt", "not a store"]), ("no/such.skry", ["no", "create it"])],
)
def test_a_store_that_cannot_be_is_told_before_anything_runs(
    moon_ser: Path, tmp_path: Path, cli: CommandLine, store: str, words: list[str]
) -> None:
    (tmp_path / "taken.txt").write_text("dear diary")
    assert_one_line(cli("stack", moon_ser, "-o", "out.tif", "--store", store), *words)
    assert (tmp_path / "taken.txt").read_text() == "dear diary"


def test_an_image_is_not_written_into_the_store(
    moon_ser: Path, tmp_path: Path, cli: CommandLine
) -> None:
    skry.run(moon_ser, quick=True)
    before = (tmp_path / "moon.skry" / "zarr.json").read_bytes()
    flags = ("-o", "moon.skry/zarr.json", "--output-format", "tiff16")
    assert_one_line(cli("stack", moon_ser, *flags), "lies in the store")
    assert (tmp_path / "moon.skry" / "zarr.json").read_bytes() == before


@folders_have_permissions
def test_a_read_only_store_is_read_and_results_go_beside_the_output(
    moon_ser: Path, tmp_path: Path, cli: CommandLine
) -> None:
    kept, out = tmp_path / "kept.skry", tmp_path / "out"
    skry.import_capture(moon_ser, kept)
    out.mkdir()
    kept.chmod(0o555)
    try:
        status, said, err = cli("stack", kept, "-o", out / "out.tif", "--quick")
        assert status == 0, err
        assert "read-only" in said
        assert (out / "kept.skry" / "stack").is_dir()
        assert not (kept / "align").exists()
    finally:
        kept.chmod(0o755)


@pytest.mark.skipif(os.name == "nt", reason="there are no such files")
def test_side_files_that_have_no_end_are_refused(
    moon_ser: Path, tmp_path: Path, cli: CommandLine
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for flag in ("--points-file", "--anchors-file", "--active-flags", "--dark", "--flat"):
        for file in ("pipe", "/dev/zero"):
            outcome = cli("stack", moon_ser, "-o", "out.tif", flag, file)
            assert_one_line(outcome, f"{file} is not a file but a device or a pipe")
    assert not (tmp_path / "out.tif").exists()


def test_a_disk_without_space_for_a_result_is_told_before_it_is_computed(
    moon_ser: Path, tmp_path: Path, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))
    outcome = cli("stack", moon_ser, "-o", "out.tif", "--store", "kept.skry")
    assert_one_line(outcome, "the result of survey into", "kept.skry", "0.0 MB are free", "--store")
    assert not (tmp_path / "kept.skry").exists()


def test_a_store_of_another_capture_is_refused(
    moon_ser: Path, tmp_path: Path, cli: CommandLine
) -> None:
    other = ser_of(tmp_path / "mars.ser", np.zeros((2, 100, 100), np.uint8))
    skry.run(moon_ser, quick=True, store=tmp_path / "kept.skry")
    skry.import_capture(moon_ser, tmp_path / "frames.skry")
    for store in ("kept.skry", "frames.skry"):
        outcome = cli("stack", other, "-o", "out.tif", "--store", store)
        assert_one_line(outcome, store, "belongs to another capture", "moon.ser", "--store")


def test_a_stack_that_is_stacked_leaves_the_results_of_its_capture_alone(
    moon_ser: Path, cli: CommandLine
) -> None:
    cli("stack", moon_ser, "-o", "moon.tif", "--quick")
    store = moon_ser.with_suffix(".skry")
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    outcome = cli("stack", "moon.tif", "-o", "again.tif")
    assert_one_line(outcome, "moon.skry", "has the results of moon.ser", "--store")
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


@folders_have_permissions
def test_a_folder_that_cannot_be_written_takes_no_store(
    moon_ser: Path, tmp_path: Path, cli: CommandLine
) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    try:
        store = folder / "a.skry"
        outcome = cli("stack", moon_ser, "-o", "out.tif", "--store", store)
        assert_one_line(outcome, f"folder {folder} is read-only: give another place with --store")
        assert_one_line(cli("import", moon_ser, store), f"folder {folder} is read-only: give")
    finally:
        folder.chmod(0o755)
