"""Rows that are known are not measured again, whatever their place and their number."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
import pytest

from skry_dask.graph.frame_passes import count_tasks, map_frames
from skry_dask.graph.kept.rows import (
    NO_KEY,
    ArrayRows,
    KeptRows,
    KnownRows,
    row_keys,
)
from tests.watched_frames import WatchedFrames

if TYPE_CHECKING:
    from collections.abc import Callable

    from skry_dask.types import AnyArray, Frames

N = 23


class Keeper:
    """Remembers the rows that it is given."""

    def __init__(self) -> None:
        self.rows: dict[int, list[float]] = {}

    def add(self, keys: AnyArray, rows: AnyArray) -> None:
        self.rows |= dict(zip(keys.tolist(), rows.tolist(), strict=True))


class Grey:
    """A developer of frames that are twice as bright."""

    @staticmethod
    def grey(frames: Frames) -> Frames:
        return 2 * frames


def measure(frames: Frames, offset: AnyArray, used: AnyArray, factor: float) -> AnyArray:
    """Sum and offset of frames; NaN where a frame is not used."""
    rows = np.stack([factor * frames.sum(axis=(1, 2), dtype=float), offset], axis=1)
    rows[~used] = np.nan
    return rows


def cases() -> dict[str, tuple[AnyArray, AnyArray]]:
    """Which rows are known, and which frames are used."""
    everything, nothing = np.ones(N, bool), np.zeros(N, bool)
    scattered = np.arange(N) % 3 != 1
    first = np.arange(N) < 13
    return {
        "none": (nothing, everything),
        "all": (everything, everything),
        "the first": (first, everything),
        "the last": (~first, everything),
        "scattered": (scattered, everything),
        "one is missing": (np.arange(N) != 11, everything),
        "some are not used": (first, scattered),
        "none is used": (nothing, nothing),
    }


@pytest.mark.parametrize("case", cases())
@pytest.mark.parametrize("travels", [False, True])
def test_rows_are_the_same_and_only_frames_without_a_row_are_read(case: str, travels: bool) -> None:
    is_known, used = cases()[case]
    offset = np.arange(N) * 0.25
    for n_chunk, has_developer in ((1, False), (4, True), (7, False), (N, True)):
        watched, keeper = WatchedFrames(N), Keeper()
        developer: Any = dask.delayed(Grey()) if has_developer else None
        table: Callable[..., Any] = partial(
            map_frames,
            measure,
            watched.lazy(n_chunk),
            offset,
            used,
            developer=developer,
            shared=[dask.delayed(0.5)],
            shape=(2,),
            dtype=float,
        )
        fresh = table().compute()
        keys = row_keys(np.arange(N), [offset], used)
        known = KnownRows(keys, np.nan, lambda _: travels)
        # In another order, and from two sources, one of which has rows of other frames, too.
        where = np.random.default_rng(0).permutation(np.flatnonzero(is_known & used))
        for part in np.split(where, [len(where) // 2]):
            other = np.array([1234567], np.uint64)
            known.add(np.append(keys[part], other), ArrayRows(np.append(fresh[part], [[0, 0]], 0)))
        watched.watch.reads[:] = 0
        again = table(kept=KeptRows(keys, known, known.missing, keeper))
        n_tasks = sum(count_tasks(again.__dask_graph__()).values())
        assert n_tasks <= len(watched.lazy(n_chunk).chunks[0])
        np.testing.assert_array_equal(again.compute(), fresh)
        np.testing.assert_array_equal(watched.watch.reads, used & ~is_known)
        measured = np.flatnonzero(used & ~is_known)
        assert keeper.rows == {int(keys[i]): fresh[i].tolist() for i in measured}


def test_a_pass_without_known_rows_keeps_all() -> None:
    _, used = cases()["some are not used"]
    keys, keeper = row_keys(np.arange(N), [], used), Keeper()
    kept = KeptRows(keys, None, used, keeper)
    lazy = WatchedFrames(N).lazy(4)
    offset, factor = np.zeros(N), [dask.delayed(1)]
    rows = map_frames(
        measure, lazy, offset, used, shared=factor, shape=(2,), dtype=float, kept=kept
    )
    expected = rows.compute()
    assert set(keeper.rows) == set(keys.tolist())
    for i in np.flatnonzero(used):
        assert keeper.rows[int(keys[i])] == expected[i].tolist()


def test_known_blocks_are_joined_and_tables_are_read_in_order() -> None:
    n, n_chunk = 1000, 4
    keys = row_keys(np.arange(n), [], np.ones(n, bool))
    known = KnownRows(keys, 0.0)
    reads = []

    class Source:
        def read(self, rows: AnyArray) -> AnyArray:
            reads.append(rows.tolist())
            return rows.astype(float)[:, None]

    known.add(keys[:900], Source())
    kept = KeptRows(keys, known, known.missing, Keeper())

    def brightness(frames: Frames) -> AnyArray:
        return frames[:, :1, 0].astype(float)

    lazy = WatchedFrames(n).lazy(n_chunk)
    table = map_frames(brightness, lazy, shape=(1,), dtype=float, kept=kept)
    assert sum(count_tasks(table.__dask_graph__()).values()) == 1 + 100 // n_chunk
    assert table.compute(scheduler="sync")[:900, 0].tolist() == list(range(900))
    assert reads == [list(range(900))]


def test_keys_of_rows_depend_on_the_frame_and_on_all_that_lies_along_it() -> None:
    numbers, used = np.arange(50_000), np.ones(50_000, bool)
    offset = np.stack([numbers * 0.5, numbers * 0.0], axis=1)
    keys = row_keys(numbers, [offset], used)
    assert len(np.unique(keys)) == len(keys)
    np.testing.assert_array_equal(row_keys(numbers[::-1], [offset[::-1]], used), keys[::-1])
    np.testing.assert_array_equal(row_keys(numbers, [offset * [1, -1]], used), keys)  # -0.0
    for other in (
        row_keys(numbers + 1, [offset], used),
        row_keys(numbers, [offset + np.array([0, 2.0**-40])], used),
        row_keys(numbers, [offset[:, ::-1]], used),
        row_keys(numbers, [], used),
    ):
        assert (other != keys)[1:].all()
    assert (row_keys(numbers, [offset], ~used) == NO_KEY).all()
    # Stored with results: the same on every machine, and in later versions.
    assert row_keys(np.array([7]), [np.array([0.5])], used[:1]).tolist() == [3697970500475575296]
    with pytest.raises(TypeError, match="float32"):
        row_keys(numbers, [np.zeros(50_000, np.float32)], used)
