"""Pictures of the results of each phase. Needs matplotlib (the extra ``plot``).

Every function draws into the given axes, or into new ones, and returns them. Without matplotlib it
raises a `SkryError` that says what to install.
"""

from skry_dask.plotting.frames import plot_drift, plot_path, plot_quality, plot_sorted_quality
from skry_dask.plotting.images import (
    plot_area_quality,
    plot_comparison,
    plot_count,
    plot_image,
)
from skry_dask.plotting.points import plot_mean_warp, plot_mesh, plot_points, plot_warp
from skry_dask.plotting.resolution import (
    plot_noise,
    plot_region_resolution,
    plot_ring_correlation,
)
from skry_dask.plotting.steps import plot_steps

__all__ = [
    "plot_area_quality",
    "plot_comparison",
    "plot_count",
    "plot_drift",
    "plot_image",
    "plot_mean_warp",
    "plot_mesh",
    "plot_noise",
    "plot_path",
    "plot_points",
    "plot_quality",
    "plot_region_resolution",
    "plot_ring_correlation",
    "plot_sorted_quality",
    "plot_steps",
    "plot_warp",
]
