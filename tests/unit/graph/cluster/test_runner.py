"""A cluster computes all of a result, so that nothing of it is computed again by the client."""

from __future__ import annotations

from typing import Any

import dask.array as da
import pytest
import xarray as xr

pytest.importorskip("distributed")


def test_every_lazy_value_is_computed_scalars_too(cluster: Any) -> None:
    from distributed import Client

    from skry_dask.graph.cluster.runner import ClusterRunner

    values = da.arange(6, chunks=2)
    lazy = xr.Dataset({"all": ("frame", values), "sum": ((), values.sum()), "known": ((), 3)})
    with Client(cluster, set_as_default=False) as client:
        found = ClusterRunner(client).compute(lazy)
    assert all(v.chunks is None for v in found.variables.values())
    assert found["all"].values.tolist() == list(range(6))
    assert (int(found["sum"]), int(found["known"])) == (15, 3)
