"""``skry simulate``: a capture whose truth is known."""

from __future__ import annotations

from typing import Annotated

from skry_dask.cli.flags import SIMULATE, LocalOutput
from skry_dask.cli.process import importing
from skry_dask.cli.terminal import describe_frames, progress_bars, reporting
from skry_dask.options.simulation import Scene, SimulateOptions


def write_simulation(
    scene: Scene,
    /,
    *,
    output: LocalOutput,
    options: Annotated[SimulateOptions, SIMULATE] = SimulateOptions(),  # noqa: B008
) -> int:
    """Simulate a capture whose truth is known.

    The truth is written beside the video: moon.truth.npz beside moon.ser.

    Parameters
    ----------
    scene
        Object in front of the telescope.
    output
        Video to write (.ser or .avi).
    """
    with importing():
        from skry_dask.pipeline.progress import Progress
        from skry_dask.simulation.simulate import simulate as simulate_capture
        from skry_dask.simulation.simulate import write_capture, write_truth

    with reporting(), progress_bars() as bars:
        capture = write_capture(
            output,
            simulate_capture(scene, options),
            progress=lambda done: bars.report(Progress("simulate", done, options.frames)),
        )
        truth = write_truth(output, capture)
    print(f"{output}: {describe_frames(capture)}")
    print(f"{truth}: the true scene and its distortions")
    return 0
