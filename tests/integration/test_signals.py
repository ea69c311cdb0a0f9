"""A signal ends any command at any moment: at once, with one line, and with no file left over."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.processes import complaints

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals of POSIX")

PROGRAM = """
import ctypes, os, signal, sys
from pathlib import Path

number, moment = getattr(signal, sys.argv[1]), sys.argv[2]
forever = ctypes.CDLL(None).pause

def now(*_, **__):
    "Send the signal, and never return: in C, where Python looks at no signals, without the lock."
    os.kill(os.getpid(), number)
    while True:
        forever()

def at(event, arguments):
    if event == moment or event == "import" and arguments[0] == moment:
        now()

def during(name):
    "Let a function of the package send the signal in place of its work."
    from importlib import import_module
    module, _, function = name.rpartition(".")
    setattr(import_module(module), function, now)

sys.argv = ["skry", *sys.argv[3:]]
sys.path.insert(0, "")
sys.addaudithook(at)
if moment.startswith("skry_dask."):
    during(moment)
from skry_dask.__main__ import start
start()
"""


def interrupted(folder: Path, name: str, moment: str, *words: str) -> tuple[int, list[str]]:
    """Run a command that gets a signal: exit status and what it says."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, moment, *words],
        capture_output=True, text=True, check=False, cwd=folder, timeout=60,
    )  # fmt: skip
    assert done.stdout == ""
    return done.returncode, complaints(done.stderr)


CONTINUES = "the same command continues from the parts that are finished"
AGAIN = "nothing is kept, run the same command again"


@pytest.mark.parametrize(
    ("name", "moment", "command", "status", "says"),
    [
        ("SIGINT", "cyclopts", "info moon.ser", 130, f"interrupted: {AGAIN}"),
        ("SIGTERM", "numpy", "import moon.ser a.skry", 143, f"interrupted by SIGTERM: {CONTINUES}"),
        # In a thread that runs tasks, and in the main thread.
        (
            "SIGINT",
            "skry_dask.phases.quality.measure_areas",
            "stack moon.ser",
            130,
            CONTINUES,
        ),
        ("SIGTERM", "skry_dask.pipeline.run.track", "stack moon.ser", 143, CONTINUES),
        (
            "SIGTERM",
            "skry_dask.pipeline.run.track",
            "stack moon.ser other.ser",
            143,
            f"interrupted by SIGTERM, 0 of 2 captures are finished: {CONTINUES}",
        ),
        ("SIGHUP", "os.rename", "simulate moon -o m.ser --frames 3", 129, f"by SIGHUP: {AGAIN}"),
    ],
)
def test_a_signal_ends_a_command_at_once_with_one_line_and_no_file_left(
    name: str, moment: str, command: str, status: int, says: str, moon_ser: Path
) -> None:
    ended, lines = interrupted(moon_ser.parent, name, moment, *command.split())
    assert (ended, len(lines)) == (status, 1), lines
    assert lines[0].startswith("skry: interrupted")
    assert lines[0].endswith(says)
    left = [path.name for path in moon_ser.parent.rglob("*") if "part" in path.name]
    assert left == []
    assert not (moon_ser.parent / "m.ser").exists()
