"""The whole job with nothing to download: simulate, stack, compare with the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from skry_dask.capture.develop import Developer
from skry_dask.capture.open import open_capture
from skry_dask.errors import StoreError
from skry_dask.io.images.write import write_image
from skry_dask.options.simulation import Scene, SimulateOptions
from skry_dask.pipeline.progress import Progress
from skry_dask.pipeline.run import run
from skry_dask.simulation.simulate import simulate, write_capture, write_truth
from skry_dask.store.results import ResultStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import xarray as xr

    from skry_dask.types import AnyArray, FloatArray


def run_demo(folder: Path, n_frames: int, progress: Callable[[Progress], None]) -> list[str]:
    """Simulate a lunar capture, stack it and say how far the results are from the truth.

    Parameters
    ----------
    folder
        For the capture, its truth, the stack and a picture; made if it does not exist.
    n_frames
        How many frames to simulate.
    progress
        Called as work goes on.

    Returns
    -------
    Lines for the user.

    Raises
    ------
    StoreError
        If the folder cannot be made.
    OptionsError
        If the number of frames is out of range.
    """
    options = SimulateOptions(frames=n_frames)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be made ({error.strerror}): give another --out-dir"
        ) from (error)
    capture_path = folder / "capture.ser"
    truth = simulate(Scene.MOON, options)
    write_capture(
        capture_path, truth, progress=lambda done: progress(Progress("simulate", done, n_frames))
    )
    write_truth(capture_path, truth)
    result = run(capture_path, output=folder / "stack.tif", progress=progress)
    summary = result.attrs["summary"]
    store = ResultStore(folder / "capture.skry")
    alignment, quality = (
        store.find(phase, summary["phases"][phase]["digest"]) for phase in ("align", "quality")
    )
    if alignment is None or quality is None:
        raise StoreError(f"{store.path} has lost its results: delete it and run the demo again")
    best = int(np.nanargmax(quality["frame_quality"].to_numpy()))
    frame = open_capture(capture_path)["frames"][best].to_numpy() / Developer.of(truth).white
    # The scene at canvas point p shows at p + offset: the mean over frames places the canvas.
    drift = (alignment["offset"].to_numpy() - truth["offset"].to_numpy()).mean(axis=0)
    corner = np.array([summary["region"]["y"], summary["region"]["x"]])
    at_best = np.rint(corner + alignment["offset"].to_numpy()[best]).astype(int)
    stacked = result["stack"].to_numpy()
    height, width = stacked.shape
    single = frame[at_best[0] : at_best[0] + height, at_best[1] : at_best[1] + width]
    scores = {
        "best frame": likeness(single, truth, at_best - truth["offset"].to_numpy()[best]),
        "stack": likeness(stacked, truth, corner + drift),
    }
    picture = np.hstack([single, stacked]).astype(np.float32)
    about = {"left": f"best frame, {best}", "right": "stack"}
    write_image(folder / "comparison.png", picture, kind="png16", metadata=about)
    return [
        f"{capture_path}: {n_frames} simulated frames of {options.width} x {options.height} px",
        f"{folder / 'stack.tif'}: stacked in {summary['seconds']:.1f} s",
        f"{folder / 'comparison.png'}: left the best frame, right the stack",
        "likeness to the true scene: "
        + ", ".join(f"{name} {value:.1f} dB" for name, value in scores.items()),
    ]


def likeness(image: AnyArray, truth: xr.Dataset, corner: FloatArray) -> float:
    """Compare an image with the true scene, after a linear fit of brightness.

    Parameters
    ----------
    image
        float (y, x).
    truth
        From `simulate`.
    corner
        Place of the image's first pixel on the simulated canvas (y, x), px.

    Returns
    -------
    Peak signal-to-noise ratio, dB.
    """
    margin = truth.attrs["margin"]
    y, x = (c + margin + np.arange(n) for c, n in zip(corner, image.shape, strict=True))
    scene = truth["scene"].to_numpy()
    expected = ndimage.map_coordinates(scene, np.meshgrid(y, x, indexing="ij"), order=3)
    slope, intercept = np.polyfit(image.ravel(), expected.ravel(), 1)
    error = np.mean((slope * image + intercept - expected) ** 2)
    return float(10 * np.log10(np.ptp(expected) ** 2 / error))
