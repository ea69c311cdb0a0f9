"""The same bits everywhere: chunks, schedulers, numbers of workers and instruction sets.

    python tests/benchmarks/same_bits.py [--cpu avx512 avx2 generic] [--only threads] [--chunks 7]

computes all phases of simulated captures in every combination, prints a digest of all results for
each that differs from the first, and exits with 1 if there is any. The whole table takes some
minutes. An instruction set is chosen for numba, numpy and OpenBLAS, in a process of its own; the
kernels are compiled for it first.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import xarray as xr

ROOT = Path(__file__).parents[2]

AVX512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V4"
"""What numpy names its code for AVX-512, of all versions."""

CPUS = {
    "avx512": {},
    "avx2": {
        "NUMBA_CPU_NAME": "haswell",
        "NPY_DISABLE_CPU_FEATURES": AVX512,
        "OPENBLAS_CORETYPE": "Haswell",
    },
    "generic": {
        "NUMBA_CPU_NAME": "generic",
        "NPY_DISABLE_CPU_FEATURES": f"{AVX512} AVX2 FMA3 X86_V3",
        "OPENBLAS_CORETYPE": "Nehalem",
    },
}
"""Environment for each instruction set; the first is what this machine has."""

CHUNKS = (1, 7, 16, 64, -1)
"""Numbers of frames per chunk; -1 = all of them."""

PLACES = {
    "synchronous": (1,),
    "threads": (1, 2, 4),
    "processes": (1, 2, 4),
    "distributed": (1, 2, 4),
}
"""Numbers of workers for each scheduler."""

JOBS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "moon": ("moon", {"frames": 40, "height": 160, "width": 200, "jitter": 0.4}, {}),
    "planet": (
        "planet",
        {"frames": 70, "height": 120, "width": 140, "bits": 12},
        {"method": "centroid", "drizzle": 1.5, "normalise": True, "canvas": "union"},
    ),
}
"""Scene, options of the simulation, and options of the job."""


def results(capture: xr.Dataset, choices: dict[str, Any]) -> str:
    """Compute all phases of a job; return a digest of all that they give."""
    import skry_dask as skry
    from skry_dask.graph.resources import resources

    options = skry.Options.of(**choices)
    digest = hashlib.sha256()
    workers = json.loads(os.environ.get("SAME_BITS_WORKERS", "null"))
    with resources(workers=workers) as runner:
        done: list[xr.Dataset] = []
        for phase, of_phase in (
            (skry.align, options.align),
            (skry.estimate_quality, options.quality),
            (skry.track, options.track),
            (skry.stack, options.stack),
        ):
            done.append(runner.compute(phase(capture, *done, of_phase)))
            for name, values in done[-1].variables.items():
                digest.update(f"{name} {values.dtype} {values.shape}".encode())
                digest.update(values.to_numpy().tobytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def running_on(place: str, n_workers: int) -> Iterator[None]:
    """Let graphs run on a scheduler with a number of workers while the context lasts."""
    import dask

    with contextlib.ExitStack() as stack:
        if place == "distributed":
            from distributed import Client, LocalCluster

            cluster = LocalCluster(
                n_workers=n_workers, threads_per_worker=1, dashboard_address="127.0.0.1:0"
            )
            stack.enter_context(stack.enter_context(cluster).get_client())
            assert isinstance(Client.current(), Client)
        elif place == "processes":
            from concurrent.futures import ProcessPoolExecutor
            from multiprocessing import get_context

            pool = ProcessPoolExecutor(n_workers, get_context("spawn"))
            stack.enter_context(pool)
            stack.enter_context(dask.config.set(scheduler="processes", pool=pool))
        elif place == "synchronous":
            stack.enter_context(dask.config.set(scheduler="synchronous"))
        else:  # the threads of the runner, which share accumulators
            os.environ["SAME_BITS_WORKERS"] = str(n_workers)
            stack.callback(os.environ.pop, "SAME_BITS_WORKERS")
        yield


def inside(places: list[str], chunks: list[int]) -> None:
    """Compute the table for the instruction set of this process; print a line for each entry."""
    import skry_dask as skry

    captures = {
        name: skry.simulate(scene, skry.SimulateOptions(**simulated)).compute()
        for name, (scene, simulated, _) in JOBS.items()
    }
    for place in places:
        for n_workers in PLACES[place]:
            with running_on(place, n_workers):
                for name, n_chunk in itertools.product(JOBS, chunks):
                    capture = captures[name].chunk({"frame": n_chunk})
                    case = [name, place, n_workers, n_chunk]
                    print(json.dumps([*case, results(capture, JOBS[name][2])]), flush=True)


def table(cpu: str, flags: list[str]) -> Iterator[tuple[list[Any], str]]:
    """Compute the table for an instruction set in a process of its own.

    Yields
    ------
    Job, scheduler, workers and chunk; and the digest of the results.
    """
    command = [sys.executable, __file__, "--inside", *flags]
    environment = {**os.environ, **CPUS[cpu], "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            *case, digest = json.loads(line)
            yield case, digest
    if process.returncode:
        raise SystemExit(process.returncode)


def different(cases: Iterable[tuple[list[Any], str]], first: dict[str, str]) -> Iterator[str]:
    """Compare digests with the first of each job; yield a line for each case, empty if equal.

    Parameters
    ----------
    cases
        As from `table`.
    first
        The first digest of each job, which is added here.
    """
    for (job, place, n_workers, n_chunk), digest in cases:
        same = digest == first.setdefault(job, digest)
        yield "" if same else f"{job}, {place}, {n_workers} workers, chunk {n_chunk}: {digest}"


def main() -> int:
    """Run the table for each instruction set, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu", nargs="+", choices=CPUS, default=list(CPUS))
    parser.add_argument("--only", nargs="+", choices=PLACES, default=list(PLACES))
    parser.add_argument("--chunks", nargs="+", type=int, default=list(CHUNKS))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        inside(arguments.only, arguments.chunks)
        return 0
    first: dict[str, str] = {}
    n_cases = n_different = 0
    for cpu in arguments.cpu:
        began = time.perf_counter()
        flags = ["--only", *arguments.only, "--chunks", *map(str, arguments.chunks)]
        for line in different(table(cpu, flags), first):
            n_cases += 1
            if line:
                n_different += 1
                print(f"differs: {cpu}, {line}", flush=True)
        print(f"{cpu}: {n_cases} cases so far, {time.perf_counter() - began:.0f} s", flush=True)
    print(f"{n_cases} cases, {n_different} differ from the first")
    return 1 if n_different or not n_cases else 0


if __name__ == "__main__":
    sys.exit(main())
