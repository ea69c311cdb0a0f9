"""What the process has done from which others fork: imported the package, and loaded kernels."""

from __future__ import annotations

import skry_dask.pipeline.run  # noqa: F401
from skry_dask.graph.cluster.kernels import prepare

prepare(["u1"])
