"""Score the stack of a program against the truth, wherever the program has cropped it.

    python -m tests.benchmarks.score_stack stack.tif --frames 634 --height 612 --width 840

The capture is that of ``skry simulate moon`` with the same options. Prints JSON: sigma, warp and
floor, px, and psnr, dB; see `tests.scoring.Score`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage

import skry_dask as skry
from tests.scoring import BORDER, score

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, FloatArray


def load(path: str) -> AnyArray:
    """Read an image as (y, x); colour as the mean of its channels."""
    if path.endswith((".tif", ".tiff")):
        import tifffile

        try:
            image = tifffile.imread(path)
        except ValueError:  # a compression for which tifffile needs another package
            image = np.asarray(Image.open(path))
    elif path.endswith((".fit", ".fits")):
        from astropy.io import fits

        image = np.asarray(fits.getdata(path))
        image = np.moveaxis(image, 0, -1) if image.ndim == 3 else image
    else:
        image = np.asarray(Image.open(path))
    return image.mean(axis=-1) if image.ndim == 3 else image.astype(np.float64)


def place_in(scene: FloatArray, image: FloatArray) -> FloatArray:
    """Find the place (y, x) of an image in the scene, where their detail correlates most, px."""

    def detail(picture: FloatArray) -> FloatArray:
        return ndimage.gaussian_filter(picture, 1.5) - ndimage.gaussian_filter(picture, 12)

    inner = detail(image)[BORDER:-BORDER, BORDER:-BORDER]
    size = [a + b for a, b in zip(scene.shape, inner.shape, strict=True)]
    spectrum = np.fft.rfft2(detail(scene), size) * np.conj(np.fft.rfft2(inner, size))
    product = np.fft.irfft2(spectrum, size)
    fits = product[: scene.shape[0] - inner.shape[0] + 1, : scene.shape[1] - inner.shape[1] + 1]
    return np.array(np.unravel_index(np.argmax(fits), fits.shape)) - BORDER


def main() -> None:
    """Score one stack."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("stack")
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--height", type=int, required=True)
    parser.add_argument("--width", type=int, required=True)
    chosen = parser.parse_args()
    options = skry.SimulateOptions(frames=chosen.frames, height=chosen.height, width=chosen.width)
    truth = skry.simulate("moon", options)
    image = load(chosen.stack)
    corner = place_in(truth["scene"].to_numpy().astype(np.float64), image) - truth.attrs["margin"]
    print(json.dumps(asdict(score(image, truth, corner))))


if __name__ == "__main__":
    main()
