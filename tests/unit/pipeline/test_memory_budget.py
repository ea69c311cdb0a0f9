"""A job that does not fit its memory is refused before it runs; one that is accepted fits."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.errors import BudgetError
from skry_dask.io.raw.ser import write_ser
from skry_dask.options import Options
from skry_dask.pipeline.memory_budget import (
    Shapes,
    estimate,
    frames_per_chunk,
    smallest_limit,
    stack_bytes,
)
from skry_dask.pipeline.memory_limit import MIB, Limit, parse_size
from skry_dask.pipeline.run import run

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

PLAIN = Shapes(
    n_frames=1000,
    height=1200,
    width=1600,
    raw_bytes=2,
    grey_bytes=0,
    master_bytes=0,
    n_planes=1,
    peak=255,
    unbounded=False,
    counted=False,
    n_halves=1,
    n_stacks=1,
    n_steps=0,
    n_canvas_pixels=1200 * 1600,
    scale=1.0,
    spacing=24,
    refined=False,
    n_threads=2,
)

JOB = """
import sys
from skry_dask.pipeline.run import run
result = run(sys.argv[1], memory_limit=sys.argv[2], workers=2, **eval(sys.argv[3]))
print(result["stack"].to_numpy().tobytes().hex()[:2000])
print(result.attrs["summary"]["peak_memory_mib"])
"""


def test_whatever_needs_memory_raises_the_estimate() -> None:
    for more in (
        {"n_threads": 3},
        {"shares_accumulators": False},
        {"raw_bytes": 6, "grey_bytes": 2},
        {"n_planes": 3},
        {"n_halves": 2},
        {"n_stacks": 3},
        {"n_steps": 5},
        {"scale": 2.0},
        {"n_canvas_pixels": 3 * 1200 * 1600},
        {"width": 3200},
        {"master_bytes": 32},
        {"n_frames": 4000},
        {"refined": True},
    ):
        assert estimate(replace(PLAIN, **more), 8) > estimate(PLAIN, 8), more
    many = replace(PLAIN, n_threads=16)
    assert estimate(replace(many, peak=65535 * 32), 8) > estimate(many, 8)


def test_accumulators_take_half_where_frames_add_little() -> None:
    # With 8 threads, accumulators take more memory than the images made of their sum.
    colour = replace(PLAIN, n_planes=3, n_threads=8)
    narrow = stack_bytes(colour, 8)
    assert stack_bytes(replace(colour, peak=2**15), 8) == narrow
    wide = stack_bytes(replace(colour, unbounded=True), 8)
    assert wide == stack_bytes(replace(colour, peak=2**20), 8)
    # One accumulator per thread; their sum is wide in any case.
    assert wide - narrow == 8 * 4 * 3 * colour.n_canvas_pixels
    # Counting pixels takes as many accumulators again.
    counted = stack_bytes(replace(colour, unbounded=True, counted=True), 8)
    assert counted - wide == (8 + 1) * 8 * 3 * colour.n_canvas_pixels
    # Larger chunks make tasks of more frames, whose sums are larger.
    assert stack_bytes(replace(colour, peak=2**15), 512) == wide


def test_chunks_are_as_large_as_fits() -> None:
    preferred = 16
    assert frames_per_chunk(PLAIN, preferred, None) == preferred
    assert frames_per_chunk(PLAIN, preferred, Limit(2**40, "")) == preferred
    for n_chunk in (8, 4):
        enough = Limit(estimate(PLAIN, n_chunk), "")
        assert frames_per_chunk(PLAIN, preferred, enough) == n_chunk
    least = Limit(smallest_limit(PLAIN, preferred), "the limit is")
    assert estimate(PLAIN, frames_per_chunk(PLAIN, preferred, least)) <= least.size
    with pytest.raises(BudgetError, match=r"1000 frames of 1600 x 1200 px on 2 threads"):
        frames_per_chunk(PLAIN, preferred, least._replace(size=least.size - 1))


def test_a_single_thread_is_offered_where_it_needs_less() -> None:
    large = replace(PLAIN, height=3000, width=4000, n_threads=16)
    with pytest.raises(BudgetError) as error:
        frames_per_chunk(large, 4, Limit(MIB, "the limit is"))
    words = re.search(
        r"give --memory-limit (\d+)MiB or more, or --workers 1 with (\d+)MiB", str(error.value)
    )
    assert words is not None
    assert int(words[2]) < int(words[1])
    with pytest.raises(BudgetError) as error:
        frames_per_chunk(replace(large, n_threads=1), 4, Limit(MIB, "the limit is"))
    assert "--workers" not in str(error.value)


def test_shapes_depend_on_colour_and_calibration(moon: xr.Dataset) -> None:
    plain = Shapes.of(moon, Options.of(quick=True), 2)
    assert (plain.raw_bytes, plain.grey_bytes, plain.n_planes, plain.master_bytes) == (1, 0, 1, 0)
    raw = Shapes.of(moon.assign_attrs(cfa="RGGB"), Options.of(drizzle=2.0), 2)
    assert (raw.raw_bytes, raw.grey_bytes, raw.n_planes, raw.scale) == (1, 1, 3, 2.0)
    assert (plain.peak, plain.unbounded, plain.counted) == (255, False, False)
    for weighted in (Options(), Options.of(choose="weights")):
        shapes = Shapes.of(moon, weighted, 2)
        assert (shapes.unbounded, shapes.counted) == (True, True)
    assert not Shapes.of(moon, Options.of(percent=30.0, quick=True), 2).counted
    assert raw.peak > 255 * 16  # demosaiced
    assert raw.unbounded
    assert Shapes.of(moon, Options.of(normalise=True), 2).unbounded
    dark = Shapes.of(moon, Options.of(dark="dark.tif"), 2)
    assert (dark.grey_bytes, dark.peak) == (2, 65535)
    assert dark.master_bytes > 0


def noisy_capture(path: Path, shape: tuple[int, int], n_frames: int) -> None:
    """Structure that moves a little, under noise."""
    rng = np.random.default_rng(1)
    blocks = [rng.random((shape[0] // n + 9, shape[1] // n + 9)) for n in (4, 16)]
    scene = sum(
        np.kron(b, np.ones((n, n)))[: shape[0] + 16, : shape[1] + 16]
        for b, n in zip(blocks, (4, 16), strict=True)
    )
    noise = rng.random(scene.shape)

    def images():
        for i in range(n_frames):
            y, x = (5 * i) % 13, (7 * i) % 11
            frame = scene[y : y + shape[0], x : x + shape[1]]
            grain = np.roll(noise, 97 * i)[: shape[0], : shape[1]]
            yield (15000 * frame + 2000 * grain).astype(np.uint16)

    height, width = shape
    write_ser(path, images(), n_frames=n_frames, height=height, width=width, bits=16)


@pytest.mark.parametrize("options", [{}, {"cfa": "RGGB", "drizzle": 1.5}], ids=["mono", "drizzled"])
def test_a_job_stays_below_the_smallest_limit_that_it_accepts(
    tmp_path: Path, options: dict[str, object]
) -> None:
    path = tmp_path / "large.ser"
    noisy_capture(path, (700, 900), 10)
    # Compiles the kernels, which takes memory of its own.
    ample = run(path, store=tmp_path / "ample.skry", **options)
    with pytest.raises(BudgetError) as refused:
        run(path, memory_limit="100MB", workers=2, **options)
    assert not path.with_suffix(".skry").exists()  # nothing was computed
    found = re.search(r"--memory-limit (\S+)", str(refused.value))
    assert found is not None
    command = [sys.executable, "-c", JOB, str(path), found[1], repr(options)]
    small = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert small.returncode == 0, small.stderr
    bits, peak_mib = small.stdout.split()
    assert 100 < float(peak_mib) <= parse_size(found[1]) / MIB
    # The limit changes neither bits nor digests: results are reused without it.
    again = run(path, **options)
    assert {p["status"] for p in again.attrs["summary"]["phases"].values()} == {"reused"}
    assert ample["stack"].to_numpy().tobytes().hex()[:2000] == bits


def test_ten_times_the_frames_take_no_more_memory(tmp_path: Path) -> None:
    # Small frames with many points: tables outweigh the frames.
    options = {"spacing": 8, "block_size": 16, "area_size": 16}

    def capture(n_frames: int) -> Path:
        path = tmp_path / f"{n_frames}.ser"
        noisy_capture(path, (160, 208), n_frames)
        return path

    def peak(n_frames: int) -> float:
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        arguments = ["stack", capture(n_frames).name, "--workers", "2", "--json", *flags]
        command = [sys.executable, "-m", "skry_dask", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
        return float(json.loads(done.stdout)["peak_memory_mib"])

    run(capture(16), **options)  # compiles the kernels
    assert peak(2000) < 1.1 * peak(200)
