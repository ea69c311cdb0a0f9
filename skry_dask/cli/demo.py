"""``skry demo``: the whole job with nothing to download, compared with the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.capture.calibration.develop import Developer
from skry_dask.capture.open import open_capture
from skry_dask.io.images.write import write_image
from skry_dask.options.simulation import Scene, SimulateOptions
from skry_dask.pipeline.batch_plan import create_folder
from skry_dask.pipeline.progress import Progress
from skry_dask.pipeline.run import run
from skry_dask.simulation.simulate import simulate, write_capture, write_truth
from skry_dask.store.results.reading import open_results

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from skry_dask.pipeline.progress import Report
    from skry_dask.types import AnyArray, FloatArray


def run_demo(folder: Path, n_frames: int, report: Report) -> list[str]:
    """Simulate a lunar capture, stack it, and compare the stack with the truth.

    Parameters
    ----------
    folder
        For the capture, its truth, the stack and a picture; created if it does not exist.
    n_frames
        Number of frames to simulate.
    report
        Called with progress.

    Returns
    -------
    Lines for the user.

    Raises
    ------
    StoreError
        If the folder cannot be created.
    OptionsError
        If the number of frames is out of range.
    """
    options = SimulateOptions(frames=n_frames)
    create_folder(folder)
    capture_path = folder / "capture.ser"
    truth = simulate(Scene.MOON, options)
    write_capture(
        capture_path, truth, progress=lambda done: report(Progress("simulate", done, n_frames))
    )
    write_truth(capture_path, truth)
    result = run(capture_path, output=folder / "stack.tif", progress=report)
    lines = _compare(folder, truth, result)
    return [
        f"{capture_path}: {n_frames} simulated frames of {options.width} x {options.height} px",
        f"{folder / 'stack.tif'}: stacked in {result.attrs['summary']['seconds']:.1f} s",
        *lines,
    ]


def _compare(folder: Path, truth: xr.Dataset, result: xr.Dataset) -> list[str]:
    """Draw the best frame beside the stack, and compare both with the true scene.

    Parameters
    ----------
    folder
        In which the demo ran.
    truth
        As from `simulate`.
    result
        As from `run`.

    Returns
    -------
    Lines for the user.
    """
    summary = result.attrs["summary"]
    results = open_results(folder / "capture.skry")
    alignment, quality = (
        results[f"{phase}/{summary['phases'][phase]['digest']}"] for phase in ("align", "quality")
    )
    best = int(np.nanargmax(quality["frame_quality"].to_numpy()))
    found, true = alignment["offset"].to_numpy(), truth["offset"].to_numpy()
    # Found offsets are relative to the reference frame, true ones to the simulated canvas.
    drift = (found - true).mean(axis=0)
    corner = np.array([summary["region"]["y"], summary["region"]["x"]])
    stack = result["stack"].to_numpy()
    y, x = np.rint(corner + found[best]).astype(int)
    frame = open_capture(folder / "capture.ser")["frames"][best].to_numpy()
    single = frame[y : y + stack.shape[0], x : x + stack.shape[1]] / Developer.of(truth).white
    decibels = {
        "best frame": psnr(single, truth, np.array([y, x]) - true[best]),
        "stack": psnr(stack, truth, corner + drift),
    }
    picture = np.hstack([single, stack]).astype(np.float32)
    about = {"left": f"best frame, {best}", "right": "stack"}
    write_image(folder / "comparison.png", picture, kind="png16", metadata=about)
    ratios = ", ".join(f"{name} {value:.1f} dB" for name, value in decibels.items())
    return [
        f"{folder / 'comparison.png'}: left the best frame, right the stack",
        f"peak signal-to-noise ratio against the true scene: {ratios}",
    ]


def psnr(image: AnyArray, truth: xr.Dataset, corner: FloatArray) -> float:
    """Compute the peak signal-to-noise ratio of an image against the true scene, dB.

    Brightness is fitted first: the scene's range is the signal, what differs from it the noise.

    Parameters
    ----------
    image
        float (y, x), any scale.
    truth
        As from `simulate`.
    corner
        Where the first pixel of the image lies on the simulated canvas, (y, x), px.
    """
    from scipy import ndimage

    margin = truth.attrs["margin"]
    y, x = (c + margin + np.arange(n) for c, n in zip(corner, image.shape, strict=True))
    scene = truth["scene"].to_numpy()
    expected = ndimage.map_coordinates(scene, np.meshgrid(y, x, indexing="ij"), order=3)
    slope, intercept = np.polyfit(image.ravel(), expected.ravel(), 1)
    error = np.mean((slope * image + intercept - expected) ** 2)
    return float(10 * np.log10(np.ptp(expected) ** 2 / error))
