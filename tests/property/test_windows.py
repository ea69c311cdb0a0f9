"""A window of a stack has the bits that the same window of the whole stack has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import skry_dask as skry
from skry_dask.capture.open import in_chunks
from skry_dask.phases.stacking import window_sums
from tests.phase_results import known_results

if TYPE_CHECKING:
    from collections.abc import Iterator

HEIGHT, WIDTH = 74, 92

RESAMPLING: list[dict[str, Any]] = [
    *({"interpolation": name} for name in ("sharp-bilinear", "bilinear", "cubic", "lanczos3")),
    *({"drizzle": scale, "drop": drop} for scale, drop in ((1.5, 0.2), (2, 0.7), (3, 1.0))),
]


@st.composite
def stack_options(draw: st.DrawFn) -> skry.StackOptions:
    """Draw options of the stack phase."""
    return skry.StackOptions(
        number=draw(st.integers(1, 9)),
        choose=draw(st.sampled_from(["fragments", "frames"])),
        normalise=draw(st.booleans()),
        halves=draw(st.booleans()),
        **draw(st.sampled_from(RESAMPLING)),
    )


def masters(kind: str, names: set[str], random: np.random.Generator) -> dict[str, Any]:
    """Make some of a dark, a flat, bad pixels and an overlay, as `calibrate` adds them."""
    shape = (HEIGHT, WIDTH, 3) if kind == "colour" else (HEIGHT, WIDTH)
    dims = ("y", "x", "channel")[: len(shape)]
    made = {
        "dark": random.uniform(0, 9, shape).astype(np.float32),
        "gain": random.uniform(0.5, 2, shape).astype(np.float32),
        "bad": random.random(shape) < 0.03,
    }
    overlay = np.zeros(shape[:2], bool)
    overlay[5:12, 8 : WIDTH // 2] = overlay[:, 11:13] = True
    made["overlay"] = overlay
    return {name: (dims[: made[name].ndim], made[name]) for name in sorted(names)}


@st.composite
def lazy_stacks(draw: st.DrawFn) -> xr.Dataset:
    """Draw a small capture of any kind, its warp and the options, and stack it lazily."""
    kind = draw(st.sampled_from(["mono", "mosaic", "colour"]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_frames = draw(st.integers(2, 9))
    shape = (n_frames, HEIGHT, WIDTH, *((3,) if kind == "colour" else ()))
    bits = draw(st.sampled_from([8, 12]))
    frames = random.integers(0, 2**bits, shape).astype(np.uint8 if bits == 8 else np.uint16)
    drift = draw(st.sampled_from([0.0, 6.0, 24.0]))
    capture, alignment, quality, points = known_results(
        frames,
        random.uniform(-drift, drift, (n_frames, 2)),
        quality=random.random((n_frames, 1)),
        active=[True, True, *(random.random(n_frames - 2) < 0.8)],
        canvas=draw(st.sampled_from(["overlap", "union"])),
        bits=bits,
        **({"cfa": "GRBG"} if kind == "mosaic" else {}),
    )
    warp = random.normal(0, draw(st.sampled_from([0.0, 0.7, 4.0])), (n_frames, 3, 2))
    points["displacement"] = (("frame", "point", "axis"), warp.astype(np.float32))
    if kind != "mono" and draw(st.booleans()):
        points["channel_shift"] = (
            ("frame", "channel", "axis"),
            random.normal(0, 1, (n_frames, 3, 2)),
        )
    if draw(st.booleans()):
        points = points.chunk({"frame": 3})
    capture = capture.assign(
        masters(kind, draw(st.sets(st.sampled_from(["dark", "gain", "bad", "overlay"]))), random)
    )
    if draw(st.booleans()):
        capture = in_chunks(capture.compute(), draw(st.integers(1, n_frames)))
    return skry.stack(capture, alignment, quality, points, draw(stack_options()))


@st.composite
def windows(draw: st.DrawFn, n: int) -> slice:
    """Draw consecutive indices below n, less than 70 % of them."""
    start = draw(st.integers(0, n - 1))
    return slice(start, min(n, start + draw(st.integers(1, max(1, n * 7 // 10)))))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with dask.config.set(scheduler="sync"):
        yield


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_windows_have_the_bits_of_the_whole(data: st.DataObject) -> None:
    lazy = data.draw(lazy_stacks())
    whole = lazy.compute()
    for _ in range(2):
        window = {dim: data.draw(windows(whole.sizes[dim])) for dim in ("y", "x")}
        images = [name for name in lazy.data_vars if "y" in lazy[name].dims]
        alone, cut = lazy[images].isel(window).compute(), whole[images].isel(window)
        xr.testing.assert_identical(alone.drop_attrs(), cut.drop_attrs())
        for name in images:
            assert alone[name].values.tobytes() == cut[name].values.tobytes(), name


def test_places_that_cannot_be_counted_exactly_are_found_in_the_whole_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(0)
    frames = random.integers(0, 255, (4, HEIGHT, WIDTH), np.uint8)
    capture, alignment, quality, points = known_results(frames, random.uniform(-3, 3, (4, 2)))
    counted_from = window_sums.counted_from

    def inexact(*arguments: Any) -> Any:
        places, exact = counted_from(*arguments)
        places[:, ::2] = np.nan
        exact[:, ::2] = False
        return places, exact

    monkeypatch.setattr(window_sums, "counted_from", inexact)
    lazy = skry.stack(capture, alignment, quality, points, skry.StackOptions(percent=100))["stack"]
    window = {"y": slice(10, 30), "x": slice(25, 60)}
    np.testing.assert_array_equal(lazy.isel(window).compute(), lazy.compute().isel(window))
