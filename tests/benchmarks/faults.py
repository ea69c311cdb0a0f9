"""End commands at random points, continue them, and compare with commands that were not ended.

    python -m tests.benchmarks.faults --points 300

Each point is a command that ends before its n-th change of a file, its n-th task, or at a random
time, by SIGKILL, SIGTERM or an exception. Then the same command runs again, and has to

- exit with 0, and give the same pixels, and the same files of its store with the same content;
- leave no other file;
- take what was finished: complete results, kept rows of tables, recorded shards of an import.

The process that runs this imports the package and loads kernels once, starts no thread, and forks
for each command.
POSIX only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import dask
import numpy as np
import tifffile
from dask.callbacks import Callback

from skry_dask.cli.interruption import exit_on_signals
from skry_dask.cli.main import main
from skry_dask.graph.cluster.kernels import prepare
from skry_dask.store.frames import files as store_frames
from skry_dask.store.pieces.blobs import FolderBlobs
from skry_dask.store.pieces.rows import list_pieces, read_piece
from tests.encoded_videos import encode, frame_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

N_FRAMES, HEIGHT, WIDTH = 32, 110, 140
"""Of the capture."""

CHUNK = 8
"""Frames per shard and chunk: several tasks for each pass."""

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
"""Events of Python's audit that change files, beside opening one to write."""

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
"""Flags with which a file is opened to be written."""

KINDS = ("change", "task", "exception", "kill", "term")
"""How a command ends: see `Fault`."""

STACK = ["--output-format", "tiff32", "--json", "--workers", "2"]


class Fault(NamedTuple):
    """Where a command ends.

    Parameters
    ----------
    kind
        ``change``: SIGKILL before its n-th change of a file; ``task``: before its n-th task;
        ``exception``: an exception instead of the n-th change; ``kill``, ``term``: SIGKILL, SIGTERM
        after a time.
    at
        n, or the time as a fraction of that of the uninterrupted command.
    """

    kind: str
    at: float


@dataclass
class Scenario:
    """A command, and what happens before it.

    Parameters
    ----------
    name
        What is tested.
    words
        The command.
    before
        Commands that run undisturbed before.
    """

    name: str
    words: list[str]
    before: list[list[str]] = field(default_factory=list)

    @property
    def is_import(self) -> bool:
        """Whether it only imports."""
        return self.words[0] == "import"


SCENARIOS = [
    Scenario("import raw", ["import", "cap.ser", "cap.skry"]),
    Scenario("import video", ["import", "cap.avi", "cap.skry"]),
    Scenario("import images", ["import", "shots", "cap.skry"]),
    Scenario("stack raw", ["stack", "cap.ser", "-o", "o.tif", *STACK]),
    Scenario("stack video", ["stack", "cap.avi", "-o", "o.tif", *STACK, "--table"]),
    Scenario(
        "stack another percentage",
        ["stack", "cap.ser", "-o", "o.tif", *STACK, "--percent", "12"],
        [["stack", "cap.ser", "-o", "first.tif", *STACK]],
    ),
    Scenario(
        "stack without some frames",
        ["stack", "cap.ser", "-o", "o.tif", *STACK, "--exclude", "3,17"],
        [["stack", "cap.ser", "-o", "first.tif", *STACK]],
    ),
    Scenario(
        "import again",
        ["import", "cap.ser", "cap.skry"],
        [["import", "cap.ser", "cap.skry"], ["overwrite"]],
    ),
]


class Killed(BaseException):
    """Stands for whatever nobody expects."""


def forked(folder: Path, words: list[str], fault: Fault, seconds: float = 0) -> int:
    """Run a command in a process of its own, and end it; return its exit status, -9 if killed."""
    assert threading.active_count() == 1
    ready, told = os.pipe()
    process = os.fork()
    if process == 0:
        os.chdir(folder)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(folder.parent / name, os.O_CREAT | os.O_TRUNC | os.O_WRONLY), number)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        try:
            if words == ["overwrite"]:
                os._exit(overwrite(folder / "cap.ser"))
            if fault.kind == "term":
                exit_on_signals(words)
            os.write(told, b".")
            os._exit(_run(folder, words, fault))
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(99)
    if fault.kind in ("kill", "term"):
        os.read(ready, 1)
        time.sleep(fault.at * seconds)
        os.kill(process, signal.SIGKILL if fault.kind == "kill" else signal.SIGTERM)
    for end in (ready, told):
        os.close(end)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _run(folder: Path, words: list[str], fault: Fault) -> int:
    """Run a command in this process, which ends at the fault; count changes and tasks."""
    counts = Counter[str]()
    lock = threading.Lock()

    def count(kind: str) -> bool:
        with lock:
            counts[kind] += 1
            return counts[kind] == fault.at

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if not _is_change(event, arguments, folder):
            return
        if count("change") and fault.kind in ("change", "exception"):
            if fault.kind == "exception":
                raise Killed
            os.kill(os.getpid(), signal.SIGKILL)

    def before_task(*_: object) -> None:
        if count("task") and fault.kind == "task":
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    with Callback(pretask=before_task), dask.config.set({"skry.flush-seconds": 0}):
        status = main(words)
    sys.stdout.flush()
    sys.stderr.flush()
    (folder.parent / "counts").write_text(json.dumps(counts))
    return status


def _is_change(event: str, arguments: tuple[Any, ...], folder: Path) -> bool:
    """Return whether an event of Python's audit changes a file below a folder."""
    if event == "open":
        if not (isinstance(arguments[2], int) and arguments[2] & WRITES):
            return False
    elif event not in CHANGES:
        return False
    path = arguments[0]
    if not isinstance(path, str | os.PathLike):
        return False
    # Names of `shutil.rmtree` are relative to an open folder: all of those count.
    return not Path(path).is_absolute() or str(path).startswith(str(folder))


def overwrite(path: Path) -> int:
    """Change a capture: its frames in reverse; return 0."""
    content = bytearray(path.read_bytes())
    frames = np.frombuffer(content, np.uint8, N_FRAMES * HEIGHT * WIDTH, 178)
    path.unlink()  # it may be a link to the original
    content[178 : 178 + frames.size] = frames.reshape(N_FRAMES, -1)[::-1].tobytes()
    path.write_bytes(content)
    return 0


def make_inputs(folder: Path) -> None:
    """Make the captures: raw, compressed and as images."""
    folder.mkdir()
    size = ["--frames", str(N_FRAMES), "--height", str(HEIGHT), "--width", str(WIDTH)]
    words = ["simulate", "moon", "-o", "cap.ser", *size, "--seed", "5"]
    assert forked(folder, words, Fault("none", 0)) == 0
    content = (folder / "cap.ser").read_bytes()
    frames = np.frombuffer(content, np.uint8, N_FRAMES * HEIGHT * WIDTH, 178)
    frames = frames.reshape(N_FRAMES, HEIGHT, WIDTH)
    (folder / "cap.truth.npz").unlink()
    encode(folder / "cap.avi", [frame_of([frame], "gray") for frame in frames])
    (folder / "shots").mkdir()
    for i, frame in enumerate(frames):
        tifffile.imwrite(folder / "shots" / f"{i:03d}.tif", frame)


def copied(template: Path, folder: Path) -> Path:
    """Copy a folder, by links where that is as good."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder, copy_function=_link_input)
    return folder


def _link_input(source: str, target: str) -> None:
    if source.endswith((".ser", ".avi")) or "/shots/" in source:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def content_of(folder: Path) -> dict[str, Any]:
    """Read all files below a folder, without what differs between any two runs."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name.startswith(("shots/", "cap.ser", "cap.avi")):
            continue
        content: Any = path.read_bytes()
        if path.suffix == ".tif":
            content = tifffile.imread(path).tobytes()
        elif "/pieces/sums/" in f"/{name}" and path.name in ("head", "pending"):
            store, _, key = name.partition("/pieces/")
            content = FolderBlobs(folder / store / "pieces").get(key) or b"{}"
            about, _, held = content.partition(b"\n")
            content = [{**json.loads(about), "written": 0}, held]
        elif "/job/" in f"/{name}":
            content = "a record of how long the job took"
        elif path.name == "zarr.json":
            content = json.loads(content)
            attributes = content.get("attributes", {})
            for own in ("written", "checksum"):
                attributes.pop(own, None)
        found[name] = content
    return found


@dataclass
class Reference:
    """What a command does when nobody ends it."""

    template: Path
    content: dict[str, Any]
    counts: dict[str, int]
    seconds: float
    summary: dict[str, Any]


def refer(scenario: Scenario, inputs: Path, work: Path) -> Reference:
    """Run a command undisturbed."""
    template = copied(inputs, work / f"template {scenario.name}")
    for words in scenario.before:
        assert forked(template, words, Fault("none", 0)) == 0, (work / "err").read_text()
    folder = copied(template, work / "run")
    began = time.perf_counter()
    status = forked(folder, scenario.words, Fault("none", 0))
    seconds = time.perf_counter() - began
    assert status == 0, (work / "err").read_text()
    counts = json.loads((work / "counts").read_text())
    return Reference(template, content_of(folder), counts, seconds, _summary(work, scenario))


def _summary(work: Path, scenario: Scenario) -> dict[str, Any]:
    if scenario.is_import:
        return {}
    return json.loads((work / "out").read_text().splitlines()[-1])


class Finished(NamedTuple):
    """What a command had finished when it ended.

    Parameters
    ----------
    phases
        Phases with a complete result.
    rows
        Number of rows kept, by phase.
    shards
        Inodes of recorded shards of an import, by name.
    """

    phases: set[str]
    rows: dict[str, int]
    shards: dict[str, int]


def look(folder: Path, before: set[str]) -> Finished:
    """Look at what there is in the store."""
    (store,) = [*folder.glob("*.skry")] or [folder / "cap.skry"]
    results = {
        f"{path.parents[1].name}/{path.parent.name}"
        for path in store.glob("*/*/zarr.json")
        if ".partial" not in str(path)
    }
    blobs = FolderBlobs(store / "pieces")
    keys: dict[str, set[int]] = {}
    for key in list_pieces(blobs, "rows"):
        piece = read_piece(blobs, key)
        if piece is not None:
            keys.setdefault(key.split("/")[1], set()).update(piece.keys.tolist())
    partial = store / "frames.partial-import"
    recorded = len(list(partial.glob("journal/shards/0*")))
    shards = {
        path.relative_to(partial).as_posix(): path.stat().st_ino
        for path in partial.glob("frames/c/*/0/0")
        if int(path.parts[-3]) < recorded
    }
    phases = {name.split("/")[0] for name in results - before}
    return Finished(phases, {phase: len(found) for phase, found in keys.items()}, shards)


def check(scenario: Scenario, reference: Reference, fault: Fault, work: Path) -> list[str]:
    """End a command, run it again, and say what is wrong."""
    folder = copied(reference.template, work / "run")
    (store,) = [*folder.glob("*.skry")] or [folder / "cap.skry"]
    before = {f"{p.parents[1].name}/{p.parent.name}" for p in store.glob("*/*/zarr.json")}
    status = forked(folder, scenario.words, fault, reference.seconds)
    said = (work / "err").read_text()
    wrong = []
    if os.environ.get("SKRY_FAULTS_SHOWN"):
        print(scenario.name, fault, status, look(folder, before), reference.counts, said[-300:])
    if fault.kind == "term" and status != 0:
        if status != 143 or "Traceback" in said or said.count("SIGTERM") != 1:
            wrong.append(f"SIGTERM: exit status {status}, it said {said!r}")
        left = [
            name
            for name in content_of(folder)
            if "-import/" not in name and (".part" in name or name.endswith(".lock"))
        ]
        if left:
            wrong.append(f"SIGTERM left {left}")
    finished = look(folder, before)
    status = forked(folder, scenario.words, Fault("none", 0))
    said = (work / "err").read_text()
    if status != 0:
        return [*wrong, f"again: exit status {status}, it said {said!r}"]
    content = content_of(folder)
    # Sums that only save time later need not be kept.
    missing = {name for name in reference.content.keys() - content.keys() if "/sums/" not in name}
    wrong += [f"missing: {name}" for name in sorted(missing)]
    wrong += [f"left over: {name}" for name in sorted(content.keys() - reference.content.keys())]
    wrong += [
        f"differs: {name}"
        for name in sorted(content.keys() & reference.content.keys())
        if content[name] != reference.content[name]
    ]
    return wrong + _done_again(scenario, reference, finished, folder, work)


def _done_again(
    scenario: Scenario, reference: Reference, finished: Finished, folder: Path, work: Path
) -> list[str]:
    """Say which finished pieces were made again."""
    wrong = []
    store = next(folder.glob("*.skry"))
    if not (store / "frames").exists():
        finished.shards.clear()
    wrong += [
        f"written again: {name}"
        for name, inode in finished.shards.items()
        if (store / name).stat().st_ino != inode
    ]
    phases = _summary(work, scenario).get("phases", {})
    for name in finished.phases & phases.keys():
        if phases[name]["status"] != "reused":
            wrong.append(f"computed again: {name}")
    for name, n_rows in finished.rows.items():
        if name in phases and phases[name]["status"] == "ran":
            read = phases[name].get("read_bytes", 0)
            most = reference.summary["phases"][name]["read_bytes"] - n_rows * HEIGHT * WIDTH
            if read > most:
                wrong.append(f"read again: {name}, {read} bytes with {n_rows} rows, not {most}")
    return wrong


def draw(random_: random.Random, reference: Reference, kind: str) -> Fault:
    """Choose a point at random."""
    if kind in ("kill", "term"):
        return Fault(kind, random_.random())
    counted = "task" if kind == "task" else "change"
    return Fault(kind, random_.randint(1, max(1, reference.counts.get(counted, 1))))


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """Provide a folder with captures; shards are small meanwhile."""
    store_frames.MAX_CHUNK_FRAMES = CHUNK
    prepare(["u1"])
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        make_inputs(Path(name) / "inputs")
        yield Path(name)


def run_points(
    n_points: int, seed: int, names: str, report: Callable[[str], object]
) -> tuple[Counter[str], int]:
    """End commands at random points.

    Parameters
    ----------
    n_points
        Number of points.
    seed
        Of the random numbers.
    names
        Part of the names of scenarios.
    report
        Called with each fault that shows, and every ten points.

    Returns
    -------
    Number of points by scenario and kind, and number of faults.
    """
    random_ = random.Random(seed)
    scenarios = [scenario for scenario in SCENARIOS if names in scenario.name]
    counts, n_faults = Counter[str](), 0
    with workplace() as work:
        references: dict[str, Reference] = {}
        for i in range(n_points):
            scenario = scenarios[i % len(scenarios)]
            if scenario.name not in references:
                references[scenario.name] = refer(scenario, work / "inputs", work)
            reference = references[scenario.name]
            kind = random_.choice(KINDS)
            if kind == "task" and not reference.counts.get("task"):
                kind = "change"
            fault = draw(random_, reference, kind)
            counts[f"{scenario.name}, {kind}"] += 1
            for wrong in check(scenario, reference, fault, work):
                n_faults += 1
                report(f"{scenario.name}, {kind} at {fault.at:.4g}: {wrong}")
            if (i + 1) % 10 == 0:
                report(f"{i + 1} of {n_points} points, {n_faults} faults")
    return counts, n_faults


def run_script(
    description: str,
    unit: str,
    n: int,
    run: Callable[[int, int, str, Callable[[str], object]], tuple[Counter[str], int]],
) -> int:
    """Run a script with its options, print what it has counted, and return its exit status.

    Parameters
    ----------
    description
        What it does.
    unit
        What it tries, a word in the plural.
    n
        How many it tries unless told otherwise.
    run
        Called with the number, a seed, a part of names and what prints a line; returns counts by
        name, and the number of faults.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(f"--{unit}", dest="n", type=int, default=n)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="part of the names of what is tried")
    given = parser.parse_args()
    counts, n_faults = run(given.n, given.seed, given.only, print)
    for name, number in sorted(counts.items()):
        print(f"{number:4d}  {name}")
    print(f"{given.n} {unit}, {n_faults} faults")
    return 1 if n_faults else 0


if __name__ == "__main__":
    sys.exit(run_script("End commands at random points.", "points", 300, run_points))
