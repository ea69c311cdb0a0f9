"""Pictures of the results of each phase, for notebooks. Needs matplotlib (the extra ``plot``)."""

from skry_dask.plotting.plots import (
    plot_comparison,
    plot_drift,
    plot_image,
    plot_points,
    plot_quality,
    plot_warp,
)

__all__ = [
    "plot_comparison",
    "plot_drift",
    "plot_image",
    "plot_points",
    "plot_quality",
    "plot_warp",
]
