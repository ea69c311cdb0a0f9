"""The script that prints the README's figures: it runs, and its figures are what they say."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import skry_dask as skry
from tests.benchmarks.captures import crops, repeat, sparse
from tests.benchmarks.measure import profile, table
from tests.benchmarks.running import ROOT, Program, Run, empty, median, newest_image, ratio, run
from tests.benchmarks.score_stack import place_in

CAPTURES = [Path("capture.ser"), Path("capture.avi")]


def test_the_comparison_runs_with_a_peer_and_scores_both(tmp_path: Path) -> None:
    # The peer is as good as we are, because it copies our stack.
    code = "import shutil; shutil.copy('../program0/stack.tif', 'its.tif')"
    peer = shlex.join([f"again={sys.executable}", "-c", code, "{avi}"])
    tiny = ["--quick", "--runs", "1", "--frames", "20", "--size", "160x200", "--only", "peers"]
    script = ROOT / "tests" / "benchmarks" / "measure.py"
    done = subprocess.run(
        [sys.executable, str(script), *tiny, "--peer", peer],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("|")]
    ours, theirs = rows[2], rows[3]
    assert theirs[0].strip() == "again"
    for row in (ours, theirs):
        wall, cpu, peak, sigma, warp, psnr = map(float, row[1:])
        assert 0 < min(wall, cpu) < 600
        assert 5 < peak < 2000
        assert 0.5 < sigma < 4
        assert 0 <= warp < 3
        assert psnr > 20
    assert float(ours[3]) > 50
    assert ours[4:] == theirs[4:]
    phases = ["align", "quality", "track", "stack", "all phases"]
    assert [row[0].strip() for row in rows[6:]][:5] == phases


@pytest.mark.parametrize("text", ["", "name", "name=", "=command {avi}", "name=command {mov}"])
def test_a_peer_without_name_or_command_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"give NAME=COMMAND, with \{ser\} or \{avi\}"):
        Program.peer(text, CAPTURES)


def test_a_peer_may_be_quoted_and_have_settings() -> None:
    peer = Program.peer("it 1.0=env A=b 'a program' {avi} -s 30", CAPTURES)
    assert peer.name == "it 1.0"
    assert peer.command == ["env", "A=b", "a program", "capture.avi", "-s", "30"]


def test_programs_find_nothing_of_their_last_run(tmp_path: Path) -> None:
    capture = tmp_path / "capture.ser"
    capture.write_bytes(b"frames")
    home = tmp_path / "home"
    program = Program("it", ["true"], [capture])
    empty(home, program)
    (home / "deep").mkdir()
    (home / "deep" / "stack.tiff").write_bytes(b"image")
    assert newest_image(home) == home / "deep" / "stack.tiff"
    empty(home, program)
    assert [path.name for path in home.rglob("*")] == ["capture.ser"]
    assert newest_image(home) is None


def test_processes_are_measured_by_the_operating_system(tmp_path: Path) -> None:
    code = "data = bytearray(300 << 20); print(len(data))"
    one = run([sys.executable, "-c", code], tmp_path)
    assert one.output == f"{300 << 20}\n"
    assert one.peak > 300
    assert one.wall > 0
    with pytest.raises(SystemExit, match="no such thing"):
        run([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path)


def test_ratios_are_those_of_pairs() -> None:
    ours = [Run(w, 1, 1) for w in (1.0, 2.0, 9.0)]
    theirs = [Run(w, 1, 1) for w in (2.0, 4.0, 3.0)]
    assert median(ours, lambda r: r.wall) == 2
    assert ratio(ours, theirs, lambda r: r.wall) == "0.50 (0.50 to 3.00)"


def test_time_is_split_up_over_phases_and_the_process() -> None:
    spent = {"kernels": 1.0, "reading": 0.2, "compiling": 0.2, "other": 0.2, "outside": 0.4}
    phase = {"seconds": 1.0, "frames_per_second": 50.0, "threads": 2, "thread_seconds": spent}
    summary = json.dumps({"frames": 50, "phases": {"align": phase, "stack": phase}})
    lines = profile(Run(4.0, 1, 1, summary)).splitlines()
    assert lines[2] == "| align | 1.00 | 50 | 50% | 10% | 10% | 10% | 20% |"
    assert lines[4] == "| all phases | 2.00 | 25 | 50% | 10% | 10% | 10% | 20% |"
    assert lines[5] == "| whole process | 4.00 |  | 25% | 5% | 5% | 5% | 10% |"
    assert "writing the image: 50% of the wall time; other work of tasks: 5%" in lines[-1]


def test_tables_are_markdown() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_a_crop_is_found_in_its_scene() -> None:
    scene = skry.simulate("moon", skry.SimulateOptions(frames=1, height=200, width=240))["scene"]
    scene = scene.to_numpy().astype(np.float64)
    np.testing.assert_array_equal(place_in(scene, 3 * scene[41:201, 67:257] + 5), [41, 67])


def test_a_long_capture_shows_the_same_again(moon_ser: Path, tmp_path: Path) -> None:
    repeat(str(moon_ser), str(tmp_path / "long.ser"), 3)
    once, thrice = (skry.open_capture(p)["frames"] for p in (moon_ser, tmp_path / "long.ser"))
    assert len(thrice) == 3 * len(once)
    np.testing.assert_array_equal(thrice[len(once) : 2 * len(once)], once)


def test_frames_of_a_large_capture_are_shifted_and_differ_in_sharpness() -> None:
    frames = [frame.astype(np.float64) for frame in crops(8, 96, 128)]
    assert {frame.shape for frame in frames} == {(96, 128)}
    contrast = [np.diff(frame).std() for frame in frames]
    assert contrast[0] > 1.5 * contrast[3]
    # The fifth is as sharp as the first, but lies elsewhere.
    assert contrast[4] == pytest.approx(contrast[0], rel=0.1)
    assert np.abs(frames[4] - frames[0]).mean() > 1000


def test_a_sparse_capture_is_stacked_like_any_other(tmp_path: Path) -> None:
    sparse(str(tmp_path / "sparse.ser"), 12, 500, 640)
    result = skry.run(tmp_path / "sparse.ser", memory_limit="2GiB")
    assert result["count"].max() == 4  # 30 % of 12
    assert 0 < result["stack"][250, 320] < 1
    assert result["stack"][20, 20] == 0
