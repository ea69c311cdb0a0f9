"""Calls that never end do not hold up a job."""

from __future__ import annotations

import threading

import pytest

from skry_dask.graph.cluster.answers import within


def test_a_call_gives_what_it_returns_or_raises() -> None:
    assert within(60, lambda: 7) == 7
    with pytest.raises(KeyError, match="missing"):
        within(60, lambda: {}["missing"])


def test_a_call_that_takes_too_long_is_left_behind() -> None:
    end = threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer for 0\.01 s"):
        within(0.01, end.wait)
    end.set()
