"""Where graphs are computed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import dask
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A cluster of one worker with two threads, in this process."""
    distributed = pytest.importorskip("distributed")
    with (
        dask.config.set({"distributed.worker.saturation": 1.0}),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0"
        ) as local,
    ):
        yield local


@pytest.fixture(params=["threads", pytest.param("cluster", marks=pytest.mark.cluster)])
def two_threads(request: pytest.FixtureRequest) -> Iterator[str]:
    """Compute with two threads: of dask's own, or of a cluster."""
    with contextlib.ExitStack() as during:
        if request.param == "cluster":
            distributed = pytest.importorskip("distributed")
            client = distributed.Client(request.getfixturevalue("cluster"))
            during.enter_context(client)
        else:
            during.enter_context(dask.config.set(scheduler="threads", num_workers=2))
        yield request.param
