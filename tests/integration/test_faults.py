"""Samples of `tests.benchmarks.faults` and of `flips` beside it, which try hundreds of places."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="forks, and kills by signals of POSIX")
@pytest.mark.parametrize(
    ("script", "arguments", "last"),
    [
        ("faults", ("--points", "4", "--only", "raw"), "4 points, 0 faults"),
        ("flips", ("--places", "3", "--only", "imported"), "3 places, 0 faults"),
    ],
    ids=["kills", "flips"],
)
def test_ended_commands_continue_and_flipped_bits_give_no_wrong_image(
    script: str, arguments: tuple[str, ...], last: str
) -> None:
    command = [sys.executable, "-m", f"tests.benchmarks.{script}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == [last], done.stdout + done.stderr
