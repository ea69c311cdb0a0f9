"""Pictures of steps: how a stack changes with the number of its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skry_dask.graph.phase_inputs import Given, check_results
from skry_dask.plotting.axes import new_panels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis


def plot_steps(steps: xr.Dataset, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
    """Draw noise, sharpness and resolution of stacks against the number of frames.

    Parameters
    ----------
    steps
        From `partial_stacks`; or the steps of a job, which have a ``resolution``, too.
    axes
        Axes to draw into, two, or three with a resolution [default: new ones].

    Returns
    -------
    The axes.

    Raises
    ------
    OptionsError
        If an argument is not what it has to be.
    SkryError
        If matplotlib is not installed.

    Examples
    --------
    >>> import skry_dask as skry
    >>> results = skry.open_results("moon.ser")  # of skry.run("moon.ser")
    >>> capture = skry.open_capture("moon.ser")
    >>> earlier = results["align"], results["quality"], results["track"]
    >>> steps = skry.partial_stacks(capture, *earlier, numbers=[1, 4, 16]).compute()
    >>> axes = skry.plotting.plot_steps(steps)
    """
    check_results("plotting.plot_steps", Given("steps", steps, ("number", "noise", "sharpness")))
    resolved = "resolution" in steps
    if axes is None:
        axes = new_panels(2 + resolved)
    number = steps["number"].to_numpy()
    axes[0].plot(number, 100 * steps["noise"], "o-")
    axes[0].set(title="Noise", ylabel="% of full scale", yscale="log")
    axes[1].plot(number, steps["sharpness"], "o-")
    axes[1].set(title="Sharpness (noise counts, too)", ylabel="mean |I - blurred I|")
    if resolved:
        for threshold, values in zip(("1/2", "1/7"), steps["resolution"].T, strict=True):
            axes[2].plot(number, values, "o-", label=f"correlation {threshold}")
        axes[2].set(title="Resolution", ylabel="cycles/px", ylim=(0, 0.52))
        axes[2].legend(loc="lower right")
    for ax in axes:
        ax.set(xlabel="frames", xscale="log")
        ax.grid(alpha=0.3, which="both")
    _label_decades(axes[0].yaxis, *(ax.xaxis for ax in axes))
    return axes


def _label_decades(*logarithmic: Axis) -> None:
    """Label 1, 2 and 5 of each decade of logarithmic axes by plain numbers."""
    from matplotlib.ticker import LogLocator, NullLocator

    for axis in logarithmic:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter("{x:g}")
