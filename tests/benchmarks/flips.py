"""Flip single bits of stored files, and look whether a wrong image or a traceback comes of it.

    python -m tests.benchmarks.flips --places 500

In every file of a store with results, of an imported store, and of what interrupted jobs and
imports have left, bits at random places are flipped, one at a time. The command that uses the file
then gives the same pixels as before, or ends with exit status 1 and one line.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import tifffile

from tests.benchmarks.faults import STACK, Fault, copied, forked, run_script, workplace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOTHING = Fault("none", 0)


class State(NamedTuple):
    """Files on the disk, and the command that uses them.

    Parameters
    ----------
    name
        What is damaged.
    makes
        Commands that make the files, and where the last of them ends.
    fault
        See `Fault`.
    below
        Folder whose files are damaged.
    uses
        The commands that use them.
    """

    name: str
    makes: list[list[str]]
    fault: Fault
    below: str
    uses: list[list[str]]


IMPORT = ["import", "cap.ser", "t.skry"]
OF_IMPORT = ["stack", "t.skry", "-o", "o.tif", *STACK, "--store", "r.skry"]
JOB = ["stack", "cap.ser", "-o", "o.tif", *STACK]

STATES = [
    State("results", [JOB], NOTHING, "cap.skry", [JOB]),
    State("results, another percentage", [JOB], NOTHING, "cap.skry", [[*JOB, "--percent", "12"]]),
    State("imported frames", [IMPORT], NOTHING, "t.skry", [OF_IMPORT]),
    State("what an import leaves", [IMPORT], Fault("change", 60), "t.skry", [IMPORT, OF_IMPORT]),
    State("what a job leaves", [JOB], Fault("task", 120), "cap.skry", [JOB]),
]


def run_places(
    n_places: int, seed: int, names: str, report: Callable[[str], object]
) -> tuple[Counter[str], int]:
    """Flip bits at random places.

    Parameters
    ----------
    n_places
        Number of places.
    seed
        Of the random numbers.
    names
        Part of the names of what is damaged.
    report
        Called with each fault that shows, and every ten places.

    Returns
    -------
    Number of places by what came of them, and number of faults.
    """
    random_ = random.Random(seed)
    outcomes, n_faults = Counter[str](), 0
    states = [state for state in STATES if names in state.name]
    with workplace() as work:
        templates = [_make(state, work) for state in states]
        expected = [
            _expected(state, template, work)
            for state, template in zip(states, templates, strict=True)
        ]
        for i in range(n_places):
            k = i % len(states)
            state, folder = states[k], copied(templates[k], work / "run")
            files = sorted(p for p in (folder / state.below).rglob("*") if p.is_file())
            # Each file in turn, the rest at random.
            path = files[(i // len(states)) % len(files)]
            where = _flip(path, random_)
            outcome = _use(state, folder, expected[k])
            outcomes[f"{state.name}: {outcome.partition(':')[0]}"] += 1
            if outcome not in ("the same image", "an error in one line"):
                n_faults += 1
                name = path.relative_to(folder).as_posix()
                report(f"{state.name}, {name} {where}: {outcome}")
            if (i + 1) % 10 == 0:
                report(f"{i + 1} of {n_places} places, {n_faults} faults")
    return outcomes, n_faults


def _make(state: State, work: Path) -> Path:
    template = copied(work / "inputs", work / f"template {state.name}")
    for words in state.makes:
        fault = state.fault if words is state.makes[-1] else NOTHING
        status = forked(template, words, fault)
        assert status == (0 if fault is NOTHING else -9), (work / "err").read_text()
    (template / "o.tif").unlink(missing_ok=True)
    assert any(path.is_file() for path in (template / state.below).rglob("*"))
    return template


def _expected(state: State, template: Path, work: Path) -> bytes:
    folder = copied(template, work / "run")
    shutil.rmtree(folder / state.below)
    for words in state.makes + state.uses:
        assert forked(folder, words, NOTHING) == 0, (work / "err").read_text()
    return tifffile.imread(folder / "o.tif").tobytes()


def _flip(path: Path, random_: random.Random) -> str:
    content = bytearray(path.read_bytes())
    if not content:
        return "empty"
    byte, bit = random_.randrange(len(content)), random_.randrange(8)
    content[byte] ^= 1 << bit
    path.unlink()  # it may be a link
    path.write_bytes(content)
    return f"byte {byte} of {len(content)}, bit {bit}"


def _use(state: State, folder: Path, expected: bytes) -> str:
    """Run the commands that use a damaged file, and say what came of it."""
    for words in state.uses:
        status = forked(folder, words, NOTHING)
        said = (folder.parent / "err").read_text()
        if "Traceback" in said or status not in (0, 1):
            return f"exit status {status}: {said}"
        if status == 1:
            lines = [line for line in said.splitlines() if "interrupted import" not in line]
            made = (folder / "o.tif").exists()
            is_one = len(lines) == 1 and not made
            return "an error in one line" if is_one else f"an image or more lines: {said}"
    image = tifffile.imread(folder / "o.tif").tobytes()
    return "the same image" if image == expected else "another image"


if __name__ == "__main__":
    sys.exit(run_script("Flip single bits of stored files.", "places", 500, run_places))
