"""The command line's contract, as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import skry_dask as skry
from tests.encoded_videos import encode, grey_frames
from tests.processes import complaints

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import CommandLine

RAN, REUSED = "ran", "reused"


def statuses(summary: dict[str, dict[str, dict[str, str]]]) -> list[str]:
    """Whether align, quality, track, with two passes first stack and refine, and stack ran."""
    return [phase["status"] for phase in summary["phases"].values()]


def test_one_command_turns_a_capture_into_a_stack(moon_ser: Path, tmp_path: Path) -> None:
    before = moon_ser.read_bytes(), moon_ser.stat().st_mtime_ns
    command = [sys.executable, "-m", "skry_dask", "stack", "moon.ser", "-o", "moon.tif", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert complaints(done.stderr) == []  # no bars, no warnings where it is not a terminal
    summary = json.loads(done.stdout)
    assert summary["frames"] == summary["active_frames"] == 40
    assert summary["points"] > 10
    assert summary["region"]["height"] > 150
    assert summary["peak_memory_mib"] > 50
    assert statuses(summary) == [RAN] * 6
    assert all(phase["seconds"] > 0 for phase in summary["phases"].values())
    image = tifffile.imread(tmp_path / "moon.tif")
    assert image.dtype == np.uint16
    assert image.shape == (summary["region"]["height"], summary["region"]["width"])
    assert (moon_ser.read_bytes(), moon_ser.stat().st_mtime_ns) == before


def test_only_what_depends_on_a_changed_option_runs_again(moon_ser: Path, cli: CommandLine) -> None:
    for flags, expected in (
        ((), [RAN] * 6),
        ((), [REUSED] * 6),
        (("--percent", 10), [*[REUSED] * 5, RAN]),
        (("--choose", "fragments"), [*[REUSED] * 5, RAN]),
        (("--choose", "fragments", "--percent", 30), [REUSED] * 6),  # what they are chosen by
        (("--choose", "weights"), [REUSED] * 6),  # the default, where there are weights
        (("--quick",), [REUSED, REUSED, REUSED, RAN]),
        (("--spacing", 40), [REUSED, REUSED, *[RAN] * 4]),
        (("--area-size", 60), [REUSED, *[RAN] * 5]),
    ):
        assert statuses(cli.stack(moon_ser, *flags, quick=False)[0]) == expected, flags


def test_a_changed_capture_is_not_taken_for_the_old_one(moon_ser: Path) -> None:
    first = skry.run(moon_ser, quick=True).attrs["summary"]
    data = bytearray(moon_ser.read_bytes())
    data[178 + 5000] ^= 255
    moon_ser.write_bytes(data)
    os.utime(moon_ser, ns=(0, 0))
    again = skry.run(moon_ser, quick=True).attrs["summary"]
    assert statuses(again) == [RAN] * 4
    assert first["store"] == again["store"]


def test_a_new_date_alone_measures_nothing_again(moon_ser: Path) -> None:
    skry.run(moon_ser, quick=True)
    os.utime(moon_ser, ns=(0, 0))
    assert statuses(skry.run(moon_ser, quick=True).attrs["summary"]) == [REUSED] * 4


def test_a_capture_that_changes_while_it_is_read_is_an_error_and_nothing_of_it_is_kept(
    moon_ser: Path, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = moon_ser.read_bytes()
    with monkeypatch.context() as patched:

        def overwritten(*arguments: Any, **pieces: Any) -> Any:
            moon_ser.write_bytes(content[:200] + bytes(500) + content[700:])
            return skry.estimate_quality(*arguments, **pieces)

        patched.setattr("skry_dask.pipeline.run.estimate_quality", overwritten)
        status, out, err = cli("stack", moon_ser, "-o", "out.tif", "--json", "--quick")
    reason = f"{moon_ser} has changed while it was read: run the command again when it is complete"
    assert (status, complaints(err)) == (1, [f"skry: {reason}"])
    assert json.loads(out) == {
        "input": str(moon_ser), "output": "out.tif", "error": reason, "exit_status": 1
    }  # fmt: skip
    assert not (moon_ser.parent / "out.tif").exists()
    moon_ser.write_bytes(content)
    assert statuses(cli.stack(moon_ser)[0]) == [REUSED, RAN, RAN, RAN]


def test_a_stack_of_fewer_than_half_of_the_frames_is_no_success(
    moon_ser: Path, cli: CommandLine
) -> None:
    content = moon_ser.read_bytes()
    kept = 178 + 15 * 180 * 240
    moon_ser.write_bytes(content[:kept] + bytes(25 * 180 * 240) + content[kept + 25 * 180 * 240 :])
    status, out, err = cli("stack", moon_ser, "-o", "out.tif", "--json", "--quick")
    assert status == 1
    assert complaints(err) == [
        "skry: only 15 of 40 frames could be aligned; out.tif is written: check it, and accept it "
        "with --allow-few"
    ]
    assert json.loads(out)["active_frames"] == 15
    assert (moon_ser.parent / "out.tif").exists()
    status, _, err = cli("stack", moon_ser, "-o", "out.tif", "--allow-few", "--quick")
    assert (status, complaints(err)) == (0, [])


def test_after_an_interruption_the_same_command_continues(
    moon_ser: Path, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        # As if the user pressed Ctrl-C when the third phase begins.
        patched.setattr(
            "skry_dask.pipeline.run.track", lambda *_, **__: signal.raise_signal(signal.SIGINT)
        )
        status, out, err = cli("stack", moon_ser, "-o", "out.tif", "--json", "--quick")
    assert (status, out) == (130, "")
    assert complaints(err) == [
        "skry: interrupted: the same command continues from the parts that are finished"
    ]
    assert not (moon_ser.parent / "out.tif").exists()
    assert statuses(cli.stack(moon_ser)[0]) == [REUSED, REUSED, RAN, RAN]


@pytest.mark.parametrize(
    ("name", "flags", "dtype"),
    [
        ("out.tif", (), np.uint16),
        ("out.tif", ("--output-format", "tiff32"), np.float32),
        ("out.png", (), np.uint16),
    ],
)
def test_images_say_how_they_were_made(
    moon_ser: Path, cli: CommandLine, name: str, flags: tuple[str, ...], dtype: type
) -> None:
    status, _, err = cli("stack", moon_ser, "-o", name, "--percent", "25", "--quick", *flags)
    assert status == 0, err
    path = moon_ser.parent / name
    if name.endswith(".png"):
        with Image.open(path) as image:
            pixels, text = np.asarray(image), image.text
        about = json.loads(text["Description"])
        assert text["Software"].startswith("skry_dask ")
        pixels = pixels.astype(np.uint16)
    else:
        with tifffile.TiffFile(path) as file:
            pixels, about = file.asarray(), json.loads(file.pages[0].description)
            assert file.pages[0].software.startswith("skry_dask ")
    assert pixels.dtype == dtype
    assert about["options"]["stack"]["percent"] == 25
    assert about["source"] == "moon.ser"
    assert about["active_frames"] == 40
    assert "255" in about["scale"]


def test_import_makes_a_store_that_stacks_to_the_same_bits(
    moon_ser: Path, tmp_path: Path, cli: CommandLine
) -> None:
    status, out, err = cli("import", moon_ser, "kept.skry")
    assert status == 0, err
    assert "40 frames of 240 x 180 px, uint8" in out
    from_store = skry.run(tmp_path / "kept.skry", output=tmp_path / "a.tif")
    in_place = skry.run(moon_ser, output=tmp_path / "b.tif")
    assert from_store["stack"].to_numpy().tobytes() == in_place["stack"].to_numpy().tobytes()
    a, b = (tifffile.imread(tmp_path / name) for name in ("a.tif", "b.tif"))
    np.testing.assert_array_equal(a, b)


def test_info_tells_what_is_in_a_file(moon_ser: Path, tmp_path: Path, cli: CommandLine) -> None:
    found = json.loads(cli("info", moon_ser, "--json")[1])
    assert (found["frames"], found["width"], found["height"]) == (40, 240, 180)
    assert found["bits"] == 8
    assert found["problems"] == []
    assert "240" in cli("info", moon_ser)[1]
    assert not list(tmp_path.glob("*.skry"))  # looking changes nothing


def test_info_works_on_stores_and_shows_problems(moon_ser: Path, cli: CommandLine) -> None:
    moon_ser.write_bytes(moon_ser.read_bytes()[: 178 + 240 * 180 * 10 + 99])
    assert "problem" in cli("info", moon_ser)[1]
    cli("import", moon_ser, "short.skry")
    found = json.loads(cli("info", "short.skry", "--json")[1])
    assert found["frames"] == 10
    assert len(found["problems"]) == 1


def test_info_shows_times_without_a_date_as_a_duration(tmp_path: Path, cli: CommandLine) -> None:
    encode(tmp_path / "a.mkv", grey_frames() * 2, rate=2)
    cli("import", "a.mkv", "a.skry")
    found = json.loads(cli("info", "a.skry", "--json")[1])
    assert found["duration"] == 4.5
    assert "first_time" not in found


def test_a_simulated_capture_comes_with_its_truth(tmp_path: Path, cli: CommandLine) -> None:
    flags = ("--frames", 12, "--height", 120, "--width", 140, "--bits", 12, "--seed", 4)
    status, _, err = cli("simulate", "planet", "-o", "planet.ser", *flags)
    assert status == 0, err
    capture = skry.open_capture(tmp_path / "planet.ser")
    assert capture["frames"].shape == (12, 120, 140)
    assert capture.attrs["bits"] == 12
    assert capture["frames"].to_numpy().max() > 255
    truth = np.load(tmp_path / "planet.truth.npz")
    assert truth["offsets"].shape == (12, 2)


def test_a_capture_by_optics_comes_with_what_a_perfect_stack_shows(
    tmp_path: Path, cli: CommandLine
) -> None:
    flags = ("--frames", 2, "--height", 64, "--width", 80, "--jitter", 0.2, "--diameter", 1)
    assert cli("simulate", "moon", "-o", "m.ser", *flags)[0] == 2  # not with gaussian seeing
    status, _, err = cli("simulate", "moon", "-o", "m.ser", "--seeing", "optics", *flags)
    assert status == 0, err
    assert skry.open_capture(tmp_path / "m.ser")["frames"].shape == (2, 64, 80)
    truth = np.load(tmp_path / "m.truth.npz")
    assert truth["scene_dl"].shape == truth["scene"].shape
    assert truth["strehl"].shape == truth["blur"].shape


def test_the_demo_beats_its_best_frame(tmp_path: Path, cli: CommandLine) -> None:
    status, out, err = cli("demo", "--frames", 40)
    assert status == 0, err
    words = out.split()
    best, stack = (float(words[i - 1]) for i, word in enumerate(words) if word.startswith("dB"))
    assert stack > best + 1
    for name in ("stack.tif", "comparison.png", "capture.ser", "capture.truth.npz"):
        assert (tmp_path / "skry-demo" / name).is_file()


def test_wrong_usage_exits_with_2_and_names_the_value(tmp_path: Path, cli: CommandLine) -> None:
    for line, words in {
        "stack": "no input",
        "stack a.ser --percent 0": "percent is 0",
        "stack a.ser --percent x": "percent is 'x'",
        "stack a.ser --percent 20 --number 5": "contradict",
        "stack a.ser --percent 5 10": "--percent takes one value (5)",
        "stack a.ser b.ser -o c.tif": "--out-dir",
        "stack a.ser b/a.avi": "a-stack.tif",
        "stack a.ser --workers 0": "workers is 0",
        "stack a.ser --memory-limit lots": "memory_limit is 'lots'",
        "stack a.ser -o c.jpg": ".jpg",
        "stack a.ser -o c.png --output-format tiff16": "c.png has the suffix .png, but output_for",
        "stack a.ser -o c.jpg --output-format tiff16": "c.jpg has the suffix .jpg, but output_for",
        "dark a.ser -o c.fits --output-format bmp": "c.fits has the suffix .fits, but output_form",
        "simulate moon -o a.mp4": ".mp4",
        "frobnicate": "frobnicate",
    }.items():
        status, out, err = cli(*line.split())
        assert (status, out, err.count("\n")) == (2, "", 1), (line, err)
        assert words in err
    assert not list(tmp_path.iterdir())


def test_a_size_may_have_a_space(moon_ser: Path, cli: CommandLine) -> None:
    status, _, err = cli("stack", moon_ser, "--memory-limit", "3 MiB")
    assert status == 1
    assert "3MiB" in err  # and not 3 bytes
    assert cli.stack(moon_ser, "--memory-limit", "2 GB")[0]["active_frames"] == 40
