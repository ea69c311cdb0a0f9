"""``skry stack`` of several captures: none stops the others, and nothing is done twice."""

from __future__ import annotations

import json
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest

import skry_dask as skry
from skry_dask.simulation.simulate import write_capture
from tests.processes import complaints

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from tests.command_line import CommandLine


@pytest.fixture
def night(moon: xr.Dataset, tmp_path: Path) -> Path:
    """A folder with three small captures; the last has 12 frames, the others 16."""
    folder = tmp_path / "night"
    folder.mkdir()
    for name, n_frames in (("a", 16), ("b", 16), ("c", 12)):
        small = moon.isel(frame=slice(n_frames), y=slice(100), x=slice(120))
        write_capture(folder / f"{name}.ser", small.chunk(frame=8))
    return folder


def lines_of(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def states(*folders: Path) -> dict[str, tuple[int, int]]:
    """Inode and date of each file."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def test_one_failure_stops_no_other_capture_and_the_worst_is_the_exit_status(
    night: Path, tmp_path: Path, cli: CommandLine
) -> None:
    (night / "bad.ser").write_text("not a video")
    inputs = [f"night/{name}.ser" for name in ("bad", "c", "a")]
    status, out, err = cli("stack", *inputs, "--out-dir", "stacks", "--reference", 14, "--json")
    assert status == 2  # the short one has no frame 14
    bad, short, done = lines_of(out)
    reasons = [f"skry: {line['error']}" for line in (bad, short)]
    assert complaints(err)[0] == reasons[0]
    assert complaints(err)[1] == reasons[1].replace("skry: ", "skry: night/c.ser: ")
    assert "reference is 14" in short["error"]
    assert [line["exit_status"] for line in (bad, short, done)] == [1, 2, 0]
    assert [line["input"] for line in (bad, short, done)] == inputs
    assert (done["error"], done["active_frames"]) == (None, 16)
    assert [path.name for path in (tmp_path / "stacks").iterdir()] == ["a-stack.tif"]
    # Without --json a line for each capture follows, in the order in which they were given.
    status, out, err = cli("stack", *inputs, "--out-dir", "stacks", "--quick", "--overwrite")
    assert (status, len(complaints(err))) == (1, 1)
    head, *rest = out.splitlines()[-4:]
    assert head.endswith(" s: 1 failed, 2 stacked")
    assert rest[0] == f"  failed   night/bad.ser: {bad['error'].removeprefix('night/bad.ser: ')}"
    assert rest[1] == "  stacked  night/c.ser: stacks/c-stack.tif, 12 of 12 frames"
    assert rest[2] == "  stacked  night/a.ser: stacks/a-stack.tif, 16 of 16 frames"


def test_a_finished_batch_that_is_called_again_does_nothing(
    night: Path, tmp_path: Path, cli: CommandLine
) -> None:
    stacks = tmp_path / "stacks"
    command = ("stack", "night/*.ser", "--out-dir", "stacks", "--composite", "--table", "--quick")
    status, out, _ = cli(*command, "--json")
    assert (status, [line["up_to_date"] for line in lines_of(out)]) == (0, [False] * 3)
    before = states(night, stacks)
    assert len(list(stacks.iterdir())) == 18
    status, out, _ = cli(*command, "--json")
    again = lines_of(out)
    assert (status, [line["up_to_date"] for line in again]) == (0, [True] * 3)
    assert {phase["status"] for line in again for phase in line["phases"].values()} == {"reused"}
    assert states(night, stacks) == before
    # What is lost or changed is made again, and nothing else.
    (stacks / "a-stack.tif").unlink()
    content = (stacks / "b-stack_points.csv").read_bytes()
    (stacks / "b-stack_points.csv").write_bytes(content[:-1] + b" ")
    status, out, _ = cli(*command)
    assert status == 0
    assert "c-stack.tif: up to date, " in out
    head, *rest = out.splitlines()[-4:]
    assert head.endswith(" s: 2 stacked, 1 up to date")
    assert [line.split()[0] for line in rest] == ["stacked", "stacked", "up"]
    after = states(night, stacks)
    changed = {name.rsplit("/", 1)[1] for name in before if after[name] != before[name]}
    assert changed == {"a-stack.tif", "b-stack_points.csv"}
    assert (stacks / "b-stack_points.csv").read_bytes() == content


def test_an_interruption_stops_all_captures_and_the_same_command_continues(
    night: Path, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def interrupted(*arguments: Any, **pieces: Any) -> xr.Dataset:
        nonlocal calls
        calls += 1
        if calls == 2:  # as if the user pressed Ctrl-C
            signal.raise_signal(signal.SIGINT)
        return skry.track(*arguments, **pieces)

    command = ("stack", "night", "--out-dir", "stacks", "--json", "--quick")
    with monkeypatch.context() as patched:
        patched.setattr("skry_dask.pipeline.run.track", interrupted)
        status, out, err = cli(*command)
    assert (status, calls) == (130, 2)
    assert [line["input"] for line in lines_of(out)] == ["night/a.ser"]
    (said,) = complaints(err)
    assert said.startswith("skry: interrupted: the same command continues")
    status, out, _ = cli(*command)
    reused = [
        [phase["status"] == "reused" for phase in line["phases"].values()] for line in lines_of(out)
    ]
    assert status == 0
    assert reused == [[True] * 4, [True, True, False, False], [False] * 4]


def test_a_fault_of_the_program_stops_no_other_capture(
    night: Path, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(night / "a.skry", ignore_errors=True)

    def faulty(capture: xr.Dataset, *others: Any, **named: Any) -> xr.Dataset:
        if capture.sizes["frame"] == 12:
            raise ZeroDivisionError("in the middle\nof the night")
        return skry.align(capture, *others, **named)

    monkeypatch.setattr("skry_dask.pipeline.run.align", faulty)
    status, out, err = cli(
        "stack", "night/c.ser", "night/a.ser", "--out-dir", "stacks", "--json", "--quick"
    )
    failed, done = lines_of(out)
    assert (status, failed["exit_status"], done["exit_status"]) == (1, 1, 0)
    assert failed["error"] == (
        "night/c.ser failed by a fault of the program (ZeroDivisionError: in the middle): please "
        "report it with the traceback above"
    )
    assert f"skry: {failed['error']}" in err
