"""Graphs of captures that are too long to read: a sparse file, and results that are made up."""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import dask
import numpy as np
import xarray as xr
from dask.utils import key_split

import skry_dask as skry
from skry_dask.graph.parcels import Sender, sending
from skry_dask.simulation.simulate import write_capture
from skry_dask.store.pieces.blobs import FolderBlobs
from skry_dask.store.results.writing import ResultStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEADER_BYTES = 178


class GraphSize(NamedTuple):
    """What the graph of a phase takes.

    Parameters
    ----------
    tasks
        Number of tasks after dask's optimisation.
    named
        Whether all names that a tenth of them have begin with that of the phase; others are a few
        tasks, however long the capture is.
    pickled
        Bytes that travel to a scheduler; large values travel beside them.
    memory
        Bytes of this process per frame, before the optimisation.
    peak
        The most of them while the graph is built.
    seconds
        CPU time to build it.
    optimising
        CPU time to optimise it.
    """

    tasks: int
    named: bool
    pickled: int
    memory: float
    peak: float
    seconds: float
    optimising: float


def graph_sizes(
    folder: Path, n_frames: int, height: int, width: int, n_chunk: int | None = None
) -> dict[str, GraphSize]:
    """Build the graphs of all phases for a capture of this size, and measure them.

    Parameters
    ----------
    folder
        For the capture, a sparse file, and the table of displacements.
    n_frames, height, width
        Shape of the capture.
    n_chunk
        Frames per chunk; by default those that `open_capture` chooses.
    """
    scene = skry.simulate("moon", skry.SimulateOptions(frames=1, height=height, width=width))
    frame = scene["frames"].to_numpy()[0]
    capture = skry.open_capture(_sparse_file(folder / "long.ser", scene, n_frames))
    capture = capture.chunk({} if n_chunk is None else {"frame": n_chunk})
    sizes: dict[str, GraphSize] = {}
    beside = FolderBlobs(folder / "sent")

    def build(name: str, phase: Callable[..., xr.Dataset], *inputs: xr.Dataset) -> xr.Dataset:
        lazy, sizes[name] = _measure(lambda: phase(*inputs), n_frames, beside)
        return lazy

    rng = np.random.default_rng(1)
    alignment = _made_up(
        build("align", skry.align, capture),
        offset=rng.normal(size=(n_frames, 2)),
        confidence=np.ones(n_frames, np.float32),
        active=np.ones(n_frames, bool),
    )
    lazy = build("quality", skry.estimate_quality, capture, alignment)
    rows, columns = (lazy[dim].to_numpy().astype(int) for dim in ("y", "x"))
    areas = rng.random((n_frames, lazy.sizes["area"]), np.float32)
    quality = _made_up(
        lazy,
        area_quality=areas,
        blended_quality=areas,
        frame_quality=areas.mean(axis=1),
        reference=(frame[np.ix_(rows, columns)] / 255).astype(np.float32),
    )
    lazy = build("track", skry.track, capture, alignment, quality)
    store = ResultStore(folder / "long.skry")
    store.save("track", "0", _made_up(lazy, position=lazy["position"].to_numpy()))
    points, image = store["track/0"], quality["reference"].to_numpy()
    lazy = build("first", skry.stack, capture, alignment, quality, points)
    first = _made_up(lazy, stack=image, count=np.ones(image.shape, np.int32))
    lazy = build("refine", skry.refine, capture, alignment, points, first)
    store.save("refine", "0", _made_up(lazy, position=lazy["position"].to_numpy()))
    build("stack", skry.stack, capture, alignment, quality, store["refine/0"])
    return sizes


def _sparse_file(path: Path, scene: xr.Dataset, n_frames: int) -> Path:
    """Write a video with a frame of the scene, and holes of the file system in place of others."""
    write_capture(path, scene.chunk({"frame": 1}))
    frame_bytes = path.stat().st_size - HEADER_BYTES
    with path.open("r+b") as file:
        file.truncate(HEADER_BYTES + frame_bytes)
        file.seek(38)
        file.write(n_frames.to_bytes(4, "little"))
        file.truncate(HEADER_BYTES + n_frames * frame_bytes)
    return path


def _made_up(lazy: xr.Dataset, **values: Any) -> xr.Dataset:
    """Replace a phase's result by values in memory, 0 where none are given."""
    variables = {
        name: (v.dims, values.get(str(name), np.zeros(v.shape, v.dtype)), v.attrs)
        for name, v in lazy.data_vars.items()
    }
    return xr.Dataset(variables, lazy.coords, lazy.attrs)


class _Tasks(Exception):
    """The tasks that dask would run."""

    def __init__(self, tasks: dict[Any, Any]) -> None:
        self.tasks = tasks


def _tasks_of(arrays: list[Any]) -> dict[Any, Any]:
    """Optimise graphs together, as dask does before it computes them, and leave out aliases."""

    def get(graph: Any, keys: Any, **_: Any) -> Any:
        tasks = graph if isinstance(graph, dict) else graph.__dask_graph__()
        raise _Tasks({key: task for key, task in tasks.items() if not is_alias(task)})

    def is_alias(task: Any) -> bool:
        return type(task).__name__ == "Alias"

    try:
        dask.compute(*arrays, scheduler=get)
    except _Tasks as found:
        return found.tasks
    raise RuntimeError("dask computed nothing")


def _measure(
    build: Callable[[], xr.Dataset], n_frames: int, beside: FolderBlobs
) -> tuple[xr.Dataset, GraphSize]:
    began = time.process_time()
    build()  # Memory is traced in a second go, because that takes time.
    seconds = time.process_time() - began
    tracemalloc.start()
    lazy = build()
    memory, peak = (n_bytes / n_frames for n_bytes in tracemalloc.get_traced_memory())
    tracemalloc.stop()
    arrays = [values.data for values in lazy.data_vars.values() if values.chunks]
    began = time.process_time()
    graph = _tasks_of(arrays)
    optimising = time.process_time() - began
    sender = Sender(beside, "sent")
    with sending(sender):
        from distributed.protocol.pickle import dumps

        pickled = len(dumps([array.__dask_graph__() for array in arrays]))
    sender.delete()
    phase = lazy.attrs["phase"]
    names = Counter(map(key_split, graph))
    many = [name for name, n_tasks in names.items() if n_tasks > len(graph) / 10]
    named = all(name.startswith(f"{phase}-") for name in many)
    return lazy, GraphSize(len(graph), named, pickled, memory, peak, seconds, optimising)
