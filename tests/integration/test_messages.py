"""What a command says while it runs goes where the user wants it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import CommandLine

PHASES = ("align", "quality", "track", "stack")
STACK = ("stack", "moon.ser", "--quick", "-o", "out.tif")


def test_off_a_terminal_each_phase_is_a_line_with_frames_and_time(
    moon_ser: Path, cli: CommandLine
) -> None:
    status, out, err = cli(*STACK)
    assert status == 0
    assert out.startswith("out.tif: ")
    said = re.findall(r"^skry: (\w+) 40 frames in [\d.]+ s", err, flags=re.M)
    assert [phase for phase in said if phase in PHASES] == list(PHASES)


def test_quiet_prints_errors_alone(moon_ser: Path, cli: CommandLine) -> None:
    assert cli(*STACK, "-q") == (0, "", "")
    status, out, err = cli("stack", "none.ser", "-q")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "--verbose and --quiet contradict" in cli(*STACK, "-q", "-v")[2]


def test_decisions_are_told_and_kept_in_a_file_on_request(moon_ser: Path, cli: CommandLine) -> None:
    flags = ("--log-file", "log.txt", "--events", "events.jsonl")
    status, _, err = cli(*STACK, "-v", *flags)
    assert status == 0
    assert "skry: track ran in" in err
    for decision in (
        r"40 frames of 240 x 180 px are read \d+ at a time by \d+ threads: up to \d+ ?MiB",
        r"reference: frame \d+ is the reference, frames are aligned by anchors",
        r"align: 40 of 40 frames are aligned; canvas overlap",
        r"track: \d+ reference points, measured in \d+% of the frames",
        r"stack: choose fragments, percent 30; interpolation sharp-bilinear; \d+ frames give",
    ):
        assert re.search(f"^skry: {decision}", err, re.M)
        assert re.search(f"INFO skry_dask\\.[a-z_.]+: {decision}", cli_text(cli, "log.txt"))
    assert re.search(r"INFO out\.tif: \d+ x \d+ px from 40 of 40 frames", cli_text(cli, "log.txt"))
    assert re.search(r"^\d{4}-.* INFO skry_dask\..*: track ran in", cli_text(cli, "log.txt"), re.M)
    cli(*STACK, *flags)
    assert cli_text(cli, "log.txt").count("track ran in") == 1
    assert "track reused in" in cli_text(cli, "log.txt")
    cli("stack", "none.ser", "-q", "--log-file", "failed.txt")
    assert re.search(r"ERROR none\.ser: cannot read none\.ser", cli_text(cli, "failed.txt"))
    status, _, err = cli(*STACK, "--log-file", "none/log.txt")
    assert (status, err.count("\n")) == (1, 1)


def cli_text(cli: CommandLine, name: str) -> str:
    return (cli.folder / name).read_text()


def test_events_are_lines_of_json_for_progress_and_for_each_outcome(
    moon_ser: Path, cli: CommandLine
) -> None:
    cli("stack", "moon.ser", "none.ser", "--quick", "--events", "events.jsonl")
    events = [json.loads(line) for line in cli_text(cli, "events.jsonl").splitlines()]
    progress = [event for event in events if event["event"] == "progress"]
    ended = {event["phase"] for event in progress if event["done"] == event["total"]}
    assert ended >= set(PHASES)
    assert {event["frames"] for event in progress} == {40}
    assert all(event["seconds_left"] == 0 for event in progress if event["done"] == event["total"])
    outcomes = [event for event in events if event["event"] == "outcome"]
    assert sorted(outcome["exit_status"] for outcome in outcomes) == [0, 1]


def test_with_json_every_input_has_a_line_though_all_are_refused(
    moon_ser: Path, cli: CommandLine
) -> None:
    for line, status, words in (
        ("moon.ser none.ser --name x{suffix}", 2, "would both be stacked into x.tif"),
        ("moon.ser none.ser --quick", 1, "cannot read none.ser"),
        ("moon.ser -o none/a.tif", 1, "there is no folder"),
        ("moon.ser --percent 5,x", 2, ""),
    ):
        found, out, err = cli("stack", *line.split(), "--json")
        assert found == status
        said = [json.loads(text) for text in out.splitlines()]
        if not words:  # no input is known where flags are wrong
            assert (said, err.count("\n")) == ([], 1)
            continue
        assert [one["input"] for one in said] == [w for w in line.split() if w.endswith(".ser")]
        assert words in str(said[-1]["error"])
        assert said[-1]["exit_status"] == status
