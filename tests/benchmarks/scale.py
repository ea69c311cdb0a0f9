"""What very long captures and whole nights take: graphs, schedulers and object stores.

    python tests/benchmarks/scale.py [--frames 1000000] [--rate 335]

builds and optimises the graph of each phase for a capture of so many frames, walks it with empty
kernels on threads, sends passes with empty kernels through a dask cluster, and counts the requests
of reading an imported store. Then it works out a night of 10 TB from these constants and from the
``rate`` of one core, frames of 840 x 612 px a second through all phases (`measure`). Times are CPU
times. Jobs have one pass (``--quick``). Takes some minutes and 2 GiB.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import dask.array as da
    import xarray as xr

ROOT = Path(__file__).parents[2]
SIDE = (160, 200)
"""Size of the frames whose results are repeated, px."""

DIGEST = "0" * 32
PHASES = ["align", "quality", "track", "stack"]
N_CHUNK = 16
"""Frames of 840 x 612 x 8 bit in a chunk of 8 MiB."""

CHUNKS_PER_TASK = 4
"""Chunks that a task of a long capture reads on a cluster; graphs are measured with one."""

NIGHT_BYTES = 10e12
CAPTURE_BYTES = 100e9
FRAME_BYTES = 840 * 612
PASSES = 5
"""How often all frames are read: align 1, quality 2, track 1, stack 1."""

LINK_BYTES = 1.25e9
"""What a network of 10 Gbit/s carries in a second."""


class PhaseGraph(NamedTuple):
    """The graph of a phase: times in CPU seconds, memory in bytes per frame."""

    phase: str
    n_tasks: int
    build: float
    optimise: float
    walk: float
    memory: float
    pickled: float


class Sent(NamedTuple):
    """Passes with empty kernels on a cluster: CPU seconds per task, bytes per task."""

    n_tasks: int
    scheduler: float
    client: float
    worker: float
    memory: float


# --- graphs of the phases ----------------------------------------------------------------------


class NoFrames:
    """Stands for a video that is never read."""

    def __init__(self, n_frames: int) -> None:
        self.shape = (n_frames, *SIDE)
        self.dtype = "uint8"
        self.ndim = 3

    def __getitem__(self, key: Any) -> Any:
        raise RuntimeError("frames are not read here")


def capture_of(n_frames: int) -> xr.Dataset:
    """Make a capture of frames that are never read."""
    import dask.array as da
    import numpy as np
    import xarray as xr

    frames = da.from_array(
        NoFrames(n_frames), chunks=(N_CHUNK, -1, -1), asarray=False, meta=np.empty((0, 0, 0), "u1")
    )
    coords = {"frame": np.arange(n_frames)}
    return xr.Dataset({"frames": (("frame", "y", "x"), frames)}, coords, {"bits": 8})


def write_results(folder: Path, n_frames: int) -> None:
    """Store results of so many frames: those of 40 frames, repeated."""
    import numpy as np

    import skry_dask as skry
    from skry_dask.store.results.writing import ResultStore

    simulated = skry.SimulateOptions(frames=40, height=SIDE[0], width=SIDE[1], jitter=0.4)
    capture = skry.simulate("moon", simulated).compute().chunk(frame=8)
    alignment = skry.align(capture).compute()
    quality = skry.estimate_quality(capture, alignment).compute()
    points = skry.track(capture, alignment, quality, skry.TrackOptions(spacing=60)).compute()
    store = ResultStore(folder)
    for result in (alignment, quality, points):
        repeated = result.isel(frame=np.arange(n_frames) % 40).assign_coords(
            frame=np.arange(n_frames)
        )
        store.save(result.attrs["phase"], DIGEST, repeated)


def build(phase: str, folder: Path, n_frames: int) -> xr.Dataset:
    """Build the graph of a phase from stored results of the phases before."""
    import skry_dask as skry

    capture, results = capture_of(n_frames), skry.open_results(folder)
    before = [results[name].isel(frame=slice(n_frames)) for name in PHASES[: PHASES.index(phase)]]
    if phase == "align":
        return skry.align(capture)
    if phase == "quality":
        return skry.estimate_quality(capture, *before)
    if phase == "track":
        return skry.track(capture, *before, skry.TrackOptions(spacing=60))
    return skry.stack(capture, *before)


def measure_phase(phase: str, folder: Path, n_frames: int) -> PhaseGraph:
    """Build, optimise and walk the graph of a phase; in a process of its own."""
    import cloudpickle
    import dask
    from dask.core import flatten, get_dependencies

    build(phase, folder, 10 * N_CHUNK)  # imports
    before = psutil.Process().memory_info().rss
    lazy, to_build = timed(lambda: build(phase, folder, n_frames))
    (optimised,), to_optimise = timed(lambda: dask.optimize(lazy))
    graph = dict(optimised.__dask_graph__())
    memory = psutil.Process().memory_info().rss - before
    # The scheduler gets the layers, not their tasks.
    pickled = len(cloudpickle.dumps(lazy.__dask_graph__(), protocol=pickle.HIGHEST_PROTOCOL))
    keys = list(flatten(optimised.__dask_keys__()))
    empty = {key: (nothing, *sorted(get_dependencies(graph, key), key=str)) for key in graph}
    _, to_walk = timed(lambda: dask.threaded.get(empty, keys, num_workers=2))
    n = len(graph)
    return PhaseGraph(
        phase, n, to_build, to_optimise, to_walk / n, memory / n_frames, pickled / n_frames
    )


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """Call a function, and measure its CPU time, s."""
    began = time.process_time()
    return function(), time.process_time() - began


def nothing(*_: object) -> None:
    """Stand for a kernel."""


# --- a cluster -----------------------------------------------------------------------------------


def first_row(frames: Any) -> Any:
    """Stand for a kernel that measures frames."""
    return frames[:, 0]


def add_none(frames: Any, accumulator: Any) -> None:
    """Stand for a kernel that adds frames up."""


def empty_passes(n_frames: int) -> list[da.Array]:
    """Build passes with empty kernels over tiny frames: a table, and a sum."""
    import dask.array as da

    from skry_dask.graph.frame_folds import fold_frames
    from skry_dask.graph.frame_passes import map_frames

    frames = da.zeros((n_frames, 1, 2), "u1", chunks=(N_CHUNK, -1, -1))
    return [
        map_frames(first_row, frames, shape=(2,), dtype="u1"),
        fold_frames(add_none, frames, shape=(1, 2), max_increment=1),
    ]


@contextlib.contextmanager
def cluster_processes(folder: Path) -> Iterator[tuple[Path, list[psutil.Process]]]:
    """Start a scheduler and a worker of two threads, each in a process of its own."""
    address = folder / "scheduler.json"
    place = ["--scheduler-file", str(address)]
    commands = (
        ["scheduler", "--port", "0", "--no-dashboard", "--dashboard-address", ":0", *place],
        ["worker", "--no-nanny", "--nthreads", "2", "--no-dashboard", *place],
    )
    with contextlib.ExitStack() as running:
        processes = []
        for command in commands:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *command],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stderr=subprocess.DEVNULL,
            )
            running.callback(process.wait)
            running.callback(process.terminate)
            processes.append(psutil.Process(process.pid))
        yield address, processes


def measure_cluster(n_frames: int) -> Sent:
    """Send passes with empty kernels through a cluster."""
    from distributed import Client, futures_of

    with (
        tempfile.TemporaryDirectory() as folder,
        cluster_processes(Path(folder)) as (address, (scheduler, worker)),
        Client(scheduler_file=str(address), timeout=60) as client,
    ):
        client.gather(futures_of(client.persist(empty_passes(10 * N_CHUNK))))  # imports
        before = [sum(of.cpu_times()[:2]) for of in (scheduler, worker)]
        memory = scheduler.memory_info().rss
        arrays = empty_passes(n_frames)
        n_tasks = sum(n_tasks_of(array) for array in arrays)
        held, own = timed(lambda: client.persist(arrays))
        client.gather(futures_of(held))
        cpu = [
            sum(of.cpu_times()[:2]) - start
            for of, start in zip((scheduler, worker), before, strict=True)
        ]
        memory = scheduler.memory_info().rss - memory
    return Sent(n_tasks, cpu[0] / n_tasks, own / n_tasks, cpu[1] / n_tasks, memory / n_tasks)


def n_tasks_of(array: da.Array) -> int:
    """Count the tasks that are left when a graph has been optimised."""
    import dask

    return len(dict(dask.optimize(array)[0].__dask_graph__()))


# --- an object store ----------------------------------------------------------------------------


def count_requests() -> tuple[int, int, int]:
    """Count the requests of reading an imported store whose metadata are known.

    Returns
    -------
    Frames of a shard; requests for the whole of it, and for half of it.
    """
    import zarr
    from zarr.storage import LocalStore

    import skry_dask as skry
    from skry_dask.simulation.simulate import write_capture

    class CountedStore(LocalStore):
        n_requests = 0

        async def get(self, *arguments: Any, **others: Any) -> Any:
            CountedStore.n_requests += 1
            return await super().get(*arguments, **others)

    with tempfile.TemporaryDirectory() as folder:
        video, store = Path(folder) / "a.ser", Path(folder) / "a.skry"
        simulated = skry.SimulateOptions(frames=128, height=64, width=64)
        write_capture(video, skry.simulate("moon", simulated))
        skry.import_capture(video, store)
        frames = zarr.open_array(CountedStore(store), path="frames", mode="r")
        (n_shard, *_), counts = frames.shards or frames.chunks, []
        for n_frames in (n_shard, n_shard // 2):
            before = CountedStore.n_requests
            _ = frames[:n_frames]
            counts.append(CountedStore.n_requests - before)
    return n_shard, counts[0], counts[1]


# --- a night -------------------------------------------------------------------------------------


def night(graphs: list[PhaseGraph], sent: Sent, n_frames: int, rate: float) -> list[str]:
    """Work out what a night of 10 TB takes: lines of a table."""
    frames = NIGHT_BYTES / FRAME_BYTES
    chunks = frames / N_CHUNK
    of_capture = CAPTURE_BYTES / FRAME_BYTES
    per_frame = 1 / (n_frames * CHUNKS_PER_TASK)
    tasks = sum(graph.n_tasks for graph in graphs) * per_frame * frames
    own = sum(graph.build + graph.optimise for graph in graphs) * per_frame * frames
    largest = max(graph.n_tasks for graph in graphs) * per_frame * of_capture
    memory = max(graph.memory for graph in graphs) * of_capture / CHUNKS_PER_TASK
    core_hours = frames / rate / 3600
    read = PASSES * NIGHT_BYTES
    rows = {
        "captures of 100 GB; frames of each": f"{NIGHT_BYTES / CAPTURE_BYTES:.0f}; "
        f"{of_capture / 1e3:.0f} thousand",
        "frames; chunks of 16": f"{frames / 1e6:.1f} million; {chunks / 1e6:.2f} million",
        "tasks, each for four chunks": f"{tasks / 1e6:.2f} million",
        "largest graph of a phase": f"{largest:,.0f} tasks, {memory / 2**20:.0f} MiB in the client",
        "client: building and optimising graphs": f"{own / 60:.1f} min of CPU time",
        "scheduler": f"{tasks * sent.scheduler / 3600:.2f} h of CPU time",
        "workers: tasks without kernels": f"{tasks * sent.worker / 3600:.1f} core hours",
        "workers: kernels, reading from memory": f"{core_hours:.0f} core hours",
        "bytes read": f"{read / 1e12:.0f} TB in {PASSES * chunks / 1e6:.1f} million requests",
        "hours of a link of 10 Gbit/s": f"{read / LINK_BYTES / 3600:.1f}",
        "a core reads": f"{PASSES * FRAME_BYTES * rate / 1e6:.0f} MB/s",
    }
    return [f"| {name} | {value} |" for name, value in rows.items()]


def main() -> None:
    """Measure, and print tables for the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=335.0)
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    n_frames = arguments.frames
    if arguments.inside:
        phase, folder = arguments.inside
        print(json.dumps(measure_phase(phase, Path(folder), n_frames)))
        return
    print("| phase | tasks | build s | optimise s | walk µs a task | B a frame | sent B a frame |")
    print("|---|---|---|---|---|---|---|")
    graphs = []
    with tempfile.TemporaryDirectory() as folder:
        write_results(Path(folder) / "a.skry", n_frames)
        for phase in PHASES:
            command = [sys.executable, __file__, "--frames", str(n_frames), "--inside", phase]
            done = subprocess.run(
                [*command, str(Path(folder) / "a.skry")], stdout=subprocess.PIPE, check=True
            )
            graph = PhaseGraph(*json.loads(done.stdout))
            graphs.append(graph)
            print(
                f"| {phase} | {graph.n_tasks:,} | {graph.build:.2f} | {graph.optimise:.2f} | "
                f"{graph.walk * 1e6:.0f} | {graph.memory:.0f} | {graph.pickled:.0f} |",
                flush=True,
            )
    sent = measure_cluster(max(n_frames // 10, 10 * N_CHUNK))
    print(
        f"\n{sent.n_tasks:,} empty tasks on a cluster, CPU time of each: scheduler "
        f"{sent.scheduler * 1e6:.0f} µs, worker {sent.worker * 1e6:.0f} µs, client "
        f"{sent.client * 1e6:.0f} µs; memory of the scheduler {sent.memory:.0f} B a task"
    )
    n_shard, whole, half = count_requests()
    print(
        f"an imported store: {whole} request for a shard of {n_shard} frames, {half} for half of "
        "it\n"
    )
    print("| a night of 10 TB, 840 x 612 x 8 bit | |\n|---|---|")
    print("\n".join(night(graphs, sent, n_frames, arguments.rate)))


if __name__ == "__main__":
    main()
