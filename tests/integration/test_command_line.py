"""The command line's contract, as a user meets it: in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

import skry_dask as skry
from tests.processes import complaints

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ("--anchor-size", "32")


def run_skry(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "skry_dask", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_one_command_turns_a_capture_into_a_stack(moon_ser: Path, tmp_path: Path) -> None:
    before = moon_ser.read_bytes(), moon_ser.stat().st_mtime_ns
    done = run_skry("stack", moon_ser, "-o", "moon.tif", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert complaints(done) == []  # no bars, no warnings where standard error is not a terminal
    summary = json.loads(done.stdout)
    assert summary["frames"] == summary["active_frames"] == 40
    assert summary["points"] > 10
    assert summary["region"]["height"] > 150
    assert summary["peak_memory_mib"] > 50
    assert [p["status"] for p in summary["phases"].values()] == ["ran"] * 4
    assert all(p["seconds"] > 0 for p in summary["phases"].values())
    image = tifffile.imread(tmp_path / "moon.tif")
    assert image.dtype == np.uint16
    assert image.shape == (summary["region"]["height"], summary["region"]["width"])
    assert (moon_ser.read_bytes(), moon_ser.stat().st_mtime_ns) == before


def test_only_what_depends_on_a_changed_option_runs_again(moon_ser: Path, tmp_path: Path) -> None:
    def statuses(*flags: object) -> dict[str, str]:
        done = run_skry("stack", moon_ser, "-o", "moon.png", "--json", *flags, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        phases = json.loads(done.stdout)["phases"]
        return {name: phase["status"] for name, phase in phases.items()}

    ran, reused = "ran", "reused"
    assert set(statuses().values()) == {ran}
    assert set(statuses().values()) == {reused}
    assert statuses("--percent", 10) == {
        "align": reused, "quality": reused, "track": reused, "stack": ran
    }  # fmt: skip
    assert set(statuses("--percent", 30).values()) == {reused}  # 30 is the default
    assert statuses("--spacing", 40) == {
        "align": reused, "quality": reused, "track": ran, "stack": ran
    }  # fmt: skip
    assert statuses("--area-size", 60) == {
        "align": reused, "quality": ran, "track": ran, "stack": ran
    }  # fmt: skip


def test_a_changed_capture_is_not_taken_for_the_old_one(moon_ser: Path, tmp_path: Path) -> None:
    first = skry.run(moon_ser)
    data = bytearray(moon_ser.read_bytes())
    data[178 + 5000] ^= 255
    moon_ser.write_bytes(data)
    os.utime(moon_ser, ns=(0, 0))
    again = skry.run(moon_ser)
    assert {p["status"] for p in again.attrs["summary"]["phases"].values()} == {"ran"}
    assert first.attrs["summary"]["store"] == again.attrs["summary"]["store"]


@pytest.mark.parametrize(
    ("name", "flags", "dtype"),
    [
        ("out.tif", (), np.uint16),
        ("out.tif", ("--output-format", "tiff32"), np.float32),
        ("out.png", (), np.uint16),
    ],
)
def test_images_say_how_they_were_made(
    moon_ser: Path, tmp_path: Path, name: str, flags: tuple[str, ...], dtype: type
) -> None:
    done = run_skry("stack", moon_ser, "-o", name, "--percent", "25", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    if name.endswith(".png"):
        with Image.open(tmp_path / name) as image:
            pixels, text = np.asarray(image), image.text
        about = json.loads(text["Description"])
        assert text["Software"].startswith("skry_dask ")
        pixels = pixels.astype(np.uint16)
    else:
        with tifffile.TiffFile(tmp_path / name) as file:
            pixels, about = file.asarray(), json.loads(file.pages[0].description)
            assert file.pages[0].software.startswith("skry_dask ")
    assert pixels.dtype == dtype
    assert about["options"]["stack"]["percent"] == 25
    assert about["source"] == "moon.ser"
    assert about["active_frames"] == 40
    assert "255" in about["scale"]


def test_several_inputs_are_several_jobs_and_one_failure_does_not_stop_the_rest(
    moon_ser: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.ser").write_text("not a video")
    out = tmp_path / "stacks"
    out.mkdir()
    done = run_skry("stack", "bad.ser", moon_ser, "--out-dir", out, "--json", cwd=tmp_path)
    assert done.returncode == 1
    assert len(complaints(done)) == 1
    assert "bad.ser" in done.stderr
    assert json.loads(done.stdout)["output"] == str(out / "moon-stack.tif")
    assert [p.name for p in out.iterdir()] == ["moon-stack.tif"]


def test_two_inputs_are_not_stacked_into_one_image(moon_ser: Path, tmp_path: Path) -> None:
    done = run_skry("stack", moon_ser, tmp_path / "other" / "moon.avi", cwd=tmp_path)
    assert done.returncode == 2
    assert "moon-stack.tif" in done.stderr
    assert not list(tmp_path.glob("*.tif"))


def test_an_option_that_one_capture_cannot_have_does_not_stop_the_rest(
    moon_ser: Path, tmp_path: Path
) -> None:
    run_skry("simulate", "moon", "-o", "short.ser", "--frames", 5, cwd=tmp_path)
    done = run_skry("stack", "short.ser", moon_ser, "--reference", 30, "--json", cwd=tmp_path)
    assert done.returncode == 2
    assert "reference is 30" in done.stderr
    assert json.loads(done.stdout)["input"] == str(moon_ser)


def test_import_makes_a_store_that_stacks_to_the_same_bits(moon_ser: Path, tmp_path: Path) -> None:
    done = run_skry("import", moon_ser, "kept.skry", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "40 frames of 240 x 180 px, uint8" in done.stdout
    from_store = skry.run(tmp_path / "kept.skry", output=tmp_path / "a.tif")
    in_place = skry.run(moon_ser, output=tmp_path / "b.tif")
    assert from_store["stack"].to_numpy().tobytes() == in_place["stack"].to_numpy().tobytes()
    a, b = (tifffile.imread(tmp_path / name) for name in ("a.tif", "b.tif"))
    np.testing.assert_array_equal(a, b)


def test_info_tells_what_is_in_a_file(moon_ser: Path, tmp_path: Path) -> None:
    done = run_skry("info", moon_ser, "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert (found["frames"], found["width"], found["height"]) == (40, 240, 180)
    assert found["bits"] == 8
    assert found["problems"] == []
    words = run_skry("info", moon_ser, cwd=tmp_path).stdout
    assert "240" in words
    assert not list(tmp_path.glob("*.skry"))  # looking changes nothing


def test_info_works_on_stores_and_shows_problems(moon_ser: Path, tmp_path: Path) -> None:
    moon_ser.write_bytes(moon_ser.read_bytes()[: 178 + 240 * 180 * 10 + 99])
    assert "problem" in run_skry("info", moon_ser, cwd=tmp_path).stdout
    run_skry("import", moon_ser, "short.skry", cwd=tmp_path)
    found = json.loads(run_skry("info", "short.skry", "--json", cwd=tmp_path).stdout)
    assert found["frames"] == 10
    assert len(found["problems"]) == 1


def test_a_simulated_capture_comes_with_its_truth(tmp_path: Path) -> None:
    flags = ("--frames", 12, "--height", 120, "--width", 140, "--bits", 12, "--seed", 4)
    done = run_skry("simulate", "planet", "-o", "planet.ser", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    capture = skry.open_capture(tmp_path / "planet.ser")
    assert capture["frames"].shape == (12, 120, 140)
    assert capture.attrs["bits"] == 12
    assert capture["frames"].to_numpy().max() > 255
    truth = np.load(tmp_path / "planet.truth.npz")
    assert truth["offsets"].shape == (12, 2)


def test_the_demo_beats_its_best_frame(tmp_path: Path) -> None:
    done = run_skry("demo", "--frames", 40, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    best, stack = (float(words[i - 1]) for i, word in enumerate(words) if word.startswith("dB"))
    assert stack > best + 1
    for name in ("stack.tif", "comparison.png", "capture.ser", "capture.truth.npz"):
        assert (tmp_path / "skry-demo" / name).is_file()


def test_wrong_usage_exits_with_2_and_names_the_value(tmp_path: Path) -> None:
    for arguments, words in (
        (["stack"], "no input"),
        (["stack", "a.ser", "--percent", "0"], "percent is 0"),
        (["stack", "a.ser", "--percent", "x"], "percent"),
        (["stack", "a.ser", "--percent", "20", "--number", "5"], "contradict"),
        (["stack", "a.ser", "b.ser", "-o", "c.tif"], "--out-dir"),
        (["stack", "a.ser", "--workers", "0"], "workers is 0"),
        (["stack", "a.ser", "--memory-limit", "lots"], "memory_limit is 'lots'"),
        (["stack", "a.ser", "-o", "c.jpg"], ".jpg"),
        (["simulate", "moon", "-o", "a.mp4"], ".mp4"),
        (["frobnicate"], "frobnicate"),
    ):
        done = run_skry(*arguments, cwd=tmp_path)
        output = " ".join((done.stdout + done.stderr).replace("│", " ").split())
        assert done.returncode == 2, arguments
        assert words in output
        assert "Traceback" not in output
    assert not list(tmp_path.iterdir())
