"""Make captures to measure, each in a process of its own.

    python -m tests.benchmarks.captures repeat moon.ser long.ser 10
    python -m tests.benchmarks.captures large large.ser 200 3000 4096
    python -m tests.benchmarks.captures sparse sparse.ser 815 3000 4096

`measure` does not import this module: on Linux the peak memory of a process is never less than that
of the process that started it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from skry_dask.io.raw.ser import SerReader, write_ser
from tests.ser_bytes import ser_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.types import Float32Array, Frames

ROOM = 32
"""Largest offset between frames of a large capture, px."""

SHARPNESS = (0.8, 1.2, 1.8, 2.6)
"""Blur (sigma) of the frames of a large capture, in turn, px."""

SPARSE_IMAGES = 32
"""Number of images of a sparse capture, which it shows in turn."""

NOISE_ROWS = 512
"""Number of rows of noise that are drawn once; every frame takes them from another place."""


def repeat(source: str, target: str, times: int) -> None:
    """Write the frames of a SER file several times into another."""
    reader = SerReader(source)
    n_frames = reader.info.n_frames or 0
    height, width = reader.info.frame_shape
    frames = (reader.read(i, i + 1)[0] for _ in range(times) for i in range(n_frames))
    write_ser(
        target,
        frames,
        n_frames=times * n_frames,
        height=height,
        width=width,
        bits=reader.info.bits,
    )


def large(target: str, n_frames: int, height: int, width: int) -> None:
    """Write a SER file of 16 bits, see `crops`."""
    frames = crops(n_frames, height, width)
    write_ser(target, frames, n_frames=n_frames, height=height, width=width, bits=16)


def sparse(target: str, n_frames: int, height: int, width: int) -> None:
    """Write a SER file of 16 bits that takes a fifth of its size on most disks.

    A scene of a fifth of the height and width drifts slowly over a black sky, which is not written.
    """
    images = []
    for image in crops(SPARSE_IMAGES, height // 5, width // 5):
        fade = [
            np.minimum(np.arange(n), np.arange(n)[::-1]).clip(0, ROOM) / ROOM for n in image.shape
        ]
        images.append((image * np.minimum.outer(*fade)).astype("<u2"))
    with Path(target).open("wb") as file:
        file.write(ser_header(width, height, 16, n_frames))
        begin = file.tell()
        for i in range(n_frames):
            image = images[i % len(images)]
            y = int(height * 0.4 + ROOM * np.sin(i / 50))
            x = int(width * 0.4 + ROOM * np.cos(i / 70))
            for row, pixels in enumerate(image, y):
                file.seek(begin + 2 * ((i * height + row) * width + x))
                file.write(pixels.tobytes())
        file.truncate(begin + 2 * n_frames * height * width)


def crops(n_frames: int, height: int, width: int) -> Iterator[Frames]:
    """Yield shifted crops of one scene, more or less blurred, with noise: uint16 (y, x)."""
    rng = np.random.default_rng(1)
    scenes = [draw(height + ROOM, width + ROOM, sigma) for sigma in SHARPNESS]
    noise = rng.normal(0, 300, (NOISE_ROWS, width + ROOM)).astype(np.float32)
    for i in range(n_frames):
        y, x = rng.integers(0, ROOM, 2)
        frame = scenes[i % len(scenes)][y : y + height, x : x + width].copy()
        for row in range(0, height, NOISE_ROWS):
            rows = frame[row : row + NOISE_ROWS]
            start = int(rng.integers(0, ROOM))
            rows += np.roll(noise, int(rng.integers(0, NOISE_ROWS)), axis=0)[
                : len(rows), start : start + width
            ]
        yield np.rint(np.clip(frame, 0, 65535)).astype(np.uint16)


def draw(height: int, width: int, sigma: float) -> Float32Array:
    """Draw a random scene with detail of all sizes: float32 (y, x), grey levels of 16 bits."""
    rng = np.random.default_rng(2)
    image = np.zeros((height, width), np.float32)
    for size in (1, 4, 16, 64):
        small = rng.normal(size=(-(-height // size), -(-width // size))).astype(np.float32)
        enlarged = np.kron(small, np.ones((size, size), np.float32))[:height, :width]
        image += size**0.25 * enlarged
    image = ndimage.gaussian_filter(image, sigma)
    return (12000 + 6000 * image).astype(np.float32)


def main() -> None:
    """Make one capture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    longer = kinds.add_parser("repeat")
    longer.add_argument("source")
    longer.add_argument("target")
    longer.add_argument("times", type=int)
    makers = {"large": large, "sparse": sparse}
    for kind in makers:
        larger = kinds.add_parser(kind)
        larger.add_argument("target")
        larger.add_argument("frames", type=int)
        larger.add_argument("height", type=int)
        larger.add_argument("width", type=int)
    chosen = parser.parse_args()
    if chosen.kind == "repeat":
        repeat(chosen.source, chosen.target, chosen.times)
    else:
        makers[chosen.kind](chosen.target, chosen.frames, chosen.height, chosen.width)


if __name__ == "__main__":
    main()
