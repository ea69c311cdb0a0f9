"""Slow and simple twins of the kernels, in NumPy: what the kernels are tested against."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numba.extending import is_jitted
from scipy import ndimage

from skry_dask.kernels.compilation.decorators import Kernel
from skry_dask.kernels.frame import detail
from skry_dask.kernels.matching import block_match
from skry_dask.kernels.matching.filter_design import CONTRAST, SHIFT_X, SHIFT_Y, TEMPLATE
from skry_dask.kernels.stacking import resample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from skry_dask.geometry.mesh import TriangleMesh
    from skry_dask.kernels.matching.reference_blocks import BlockFilters, ReferenceBlocks
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, IntArray


def warp_and_blur(
    levels: Float32Array,
    sigmas: FloatArray,
    offset: FloatArray,
    shift_y: Float32Array,
    shift_x: Float32Array,
    blur: Float32Array,
    margin: float,
    step: float,
    shape: tuple[int, int],
) -> FloatArray:
    """Twin of `kernels.frame.warp_and_blur.warp_and_blur`, with every round that may be needed."""

    def at(grid: Float32Array, y: FloatArray, x: FloatArray) -> FloatArray:
        nodes = [y / step, x / step]
        return ndimage.map_coordinates(grid.astype(np.float64), nodes, order=1, mode="nearest")

    y0 = np.arange(shape[0])[:, None] - offset[0] + margin + np.zeros(shape)
    x0 = np.arange(shape[1]) - offset[1] + margin + np.zeros(shape)
    y, x = y0, x0
    for _ in range(100):
        y, x = y0 - at(shift_y, y, x), x0 - at(shift_x, y, x)

    sigma = np.clip(at(blur, y, x), sigmas[0], sigmas[-1])
    level = np.clip(np.searchsorted(sigmas, sigma, side="right") - 1, 0, len(sigmas) - 2)
    low, high = sigmas[level] ** 2, sigmas[level + 1] ** 2
    mix = (sigma**2 - low) / (high - low)
    # Splines reach half a pixel less far than the samples they are made of.
    places = [np.clip(c, 0.5, n - 1.5) for c, n in zip((y, x), levels.shape[1:], strict=True)]
    images = np.stack(
        [ndimage.map_coordinates(image, places, order=2, prefilter=False) for image in levels]
    )
    sharp, soft = (np.take_along_axis(images, (level + k)[None], axis=0)[0] for k in (0, 1))
    return sharp + mix * (soft - sharp)


# --- kernels of the four phases ----------------------------------------------------------------


def bin_pixels(image: AnyArray, factor: int) -> AnyArray:
    """Twin of `kernels.frame.binning.bin_pixels`: means of blocks, rounded half up."""
    height, width = (n // factor for n in image.shape)
    blocks = image[: height * factor, : width * factor].astype(np.int64)
    sums = blocks.reshape(height, factor, width, factor).sum(axis=(1, 3))
    return ((2 * sums + factor**2) // (2 * factor**2)).astype(image.dtype)


def sum_box(image: IntArray, radius: int, axis: int) -> IntArray:
    """Sum pixels within a radius along an axis; edges are continued by their last pixel."""
    around = [(radius, radius) if a == axis else (0, 0) for a in range(2)]
    padded = np.pad(image, around, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis).sum(axis=-1)


def pixel_detail(image: AnyArray, radius: int, bits: int) -> IntArray:
    """|image - blurred image| at each pixel, in the units of `area_detail`."""
    plan = detail.plan_box_sums(bits, radius)
    white = 2 ** (bits - plan.shift) - 1
    sharp = np.minimum(image.astype(np.int64) // 2**plan.shift, white)
    blurred = sharp
    for halvings, axis in zip((0, *plan.halvings), (1, 1, 1, 0, 0, 0), strict=True):
        sharp, blurred = ((v + 2**halvings // 2) // 2**halvings for v in (sharp, blurred))
        blurred = sum_box(blurred, radius, axis)
        # What the sum of a constant image would be.
        sharp = sharp * (2 * radius + 1)
    return np.abs(sharp - blurred)


def area_detail(
    image: AnyArray, radius: int, y_edges: IntArray, x_edges: IntArray, bits: int
) -> IntArray:
    """Twin of `kernels.frame.detail.area_detail`, in wide integers."""
    detail = pixel_detail(image, radius, bits)
    return np.array(
        [
            [detail[y0:y1, x0:x1].sum() for x0, x1 in pairwise(x_edges)]
            for y0, y1 in pairwise(y_edges)
        ],
        np.int64,
    ).reshape(len(y_edges) - 1, len(x_edges) - 1)


def without_plane(image: FloatArray) -> FloatArray:
    """Take level and slopes out of an image."""
    y, x = np.indices(image.shape).reshape(2, -1)
    plane = np.stack([np.ones(y.size), y, x], axis=1)
    fit = np.linalg.lstsq(plane, image.ravel(), rcond=None)[0]
    return image - (plane @ fit).reshape(image.shape)


def block_filters(reference: AnyArray, corner: IntArray, size: int, peak: int) -> IntArray:
    """Twin of the first two filters of `make_reference_blocks`, and of the fourth.

    Parameters
    ----------
    reference
        uint8 (y, x).
    corner
        Top left pixel of the block, at least 8 px away from the borders, as are the others.
    peak
        Greatest weight.

    Returns
    -------
    int64 (3, size, size)
    """
    image = reference.astype(np.float64)
    smooth, soft = image, image
    for axis in (0, 1):
        smooth = ndimage.correlate1d(smooth, [0.25, 0.5, 0.25], axis)
    for _ in range(3):
        soft = ndimage.uniform_filter(soft, 5)
    block = tuple(slice(c, c + size) for c in corner)
    own = without_plane(image[block])
    pulls = [without_plane(part[block]) for part in np.gradient(smooth)]
    alike = np.stack([own.ravel(), without_plane((image - soft)[block]).ravel()], axis=1)
    for pull in pulls:
        pull -= (alike @ np.linalg.lstsq(alike, pull.ravel(), rcond=None)[0]).reshape(own.shape)
    most = np.abs(pulls).max()
    weights = [pulls[0] / most, pulls[1] / most, own / np.abs(own).max()]
    return np.rint(peak * np.array(weights)).astype(np.int64)


def match_block(
    frame: AnyArray, blocks: ReferenceBlocks, point: int, corner: IntArray, radius: int
) -> FloatArray:
    """Twin of `kernels.matching.block_match.match_blocks`: every shift, then step by step.

    It is the same while the best shift lies so near that the kernel needs to try no others.

    Parameters
    ----------
    frame
        (y, x); the block is so far inside that no step leaves the frame.

    Returns
    -------
    float64 (3): shift and correlation coefficient.
    """
    halved = bin_pixels(frame, 2)
    image, half = (
        np.minimum(f.astype(np.int64) // 2**blocks.shift, blocks.white) for f in (frame, halved)
    )
    place = 2.0 * best_shift(half, blocks.half, point, corner // 2, (radius + 1) // 2)
    place += 2 * (corner // 2) - corner
    middle = np.rint(0.5 * (corner + place)).astype(int)
    place = 2.0 * (middle + one_step(half, blocks.half, point, middle)[0]) - corner
    for _ in range(block_match.MAX_STEPS):
        middle = np.rint(place).astype(int)
        step, window = one_step(image, blocks.full, point, corner + middle)
        place = middle + step
        if np.abs(step).max() <= block_match.CONVERGED_PX:
            break
    seen = without_plane(window[1:-1, 1:-1].astype(np.float64))
    own = blocks.full.weights[point, TEMPLATE, : window.size].astype(np.int64)
    product = (own.reshape(window.shape) * window).sum()
    alike = product / np.sqrt(blocks.full.norm[point] * (seen**2).sum())
    return np.array([*place, alike])


def best_shift(
    image: IntArray, filters: BlockFilters, point: int, corner: IntArray, radius: int
) -> IntArray:
    """Shift in whole pixels at which a block correlates best."""
    size = filters.size
    own = filters.weights[point, TEMPLATE, : (size + 2) ** 2]
    own = own.reshape(size + 2, size + 2)[1:-1, 1:-1]
    scores = np.zeros((2 * radius + 1, 2 * radius + 1))
    for j, i in np.ndindex(scores.shape):
        y, x = corner[0] + j - radius, corner[1] + i - radius
        scores[j, i] = np.corrcoef(own.ravel(), image[y : y + size, x : x + size].ravel())[0, 1]
    return np.array(np.unravel_index(np.argmax(scores), scores.shape)) - radius


def one_step(
    image: IntArray, filters: BlockFilters, point: int, corner: IntArray
) -> tuple[FloatArray, IntArray]:
    """Answer of the filters to a window: a step, and the window."""
    side = filters.size + 2
    y, x = corner - 1
    window = image[y : y + side, x : x + side]
    weights = filters.weights[point, :, : side**2].astype(np.int64)
    answers = weights @ window.ravel()
    scale = max(answers[CONTRAST] / filters.gain[point], block_match.MIN_CONTRAST)
    step = filters.step[point].reshape(2, 2) @ answers[[SHIFT_Y, SHIFT_X]] / scale
    return step.clip(-block_match.MAX_STEP_PX, block_match.MAX_STEP_PX), window


def preceding_neighbours(places: FloatArray, reach: float, count: int) -> list[list[int]]:
    """Indices of the nearest of the blocks that come before each."""
    found = []
    for i, place in enumerate(places):
        distance = np.hypot(*(places[:i] - place).T)
        near = [int(j) for j in np.argsort(distance, kind="stable") if distance[j] <= reach]
        found.append(near[:count])
    return found


def interpolation_kernel(name: str, distance: FloatArray) -> FloatArray:
    """Weight of a pixel at a distance, by the formulas of the textbooks."""
    x = np.abs(distance)
    if name == "bilinear":
        return np.maximum(1 - x, 0)
    if name == "lanczos3":
        return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)
    a = {"cubic": -1 / 2, "sharp-cubic": -3 / 4}[name]
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def fixed(value: float, bits: int) -> int:
    """Round to an integer count of 2**-bits."""
    return int(np.floor(value * 2.0**bits + 0.5))


def places(
    spans: IntArray, first_span: IntArray, affine: FloatArray, selected: BoolArray
) -> Iterator[tuple[int, int, int, int]]:
    """Pixels (row, column) of selected fragments, with their places (y, x) in 1/256 px."""
    for fragment in np.flatnonzero(selected):
        a = affine[fragment]
        for row, begin, end in spans[first_span[fragment] : first_span[fragment + 1]]:
            at = (1, int(row), int(begin))
            starts = [sum(fixed(p, 32) * n for p, n in zip(axis, at, strict=True)) for axis in a]
            starts = [start >> 16 for start in starts]
            steps = [fixed(axis[2], 16) for axis in a]
            for column in range(begin, end):
                y, x = (
                    (start + step * int(column - begin) + 128) >> 8
                    for start, step in zip(starts, steps, strict=True)
                )
                yield int(row), int(column), y, x


def add_fragments(
    frame: AnyArray,
    spans: IntArray,
    first_span: IntArray,
    affine: FloatArray,
    selected: BoolArray,
    total: IntArray,
    *,
    interpolation: str = "cubic",
    inside_only: bool = False,
) -> None:
    """Twin of `kernels.stacking.resample.add_fragments`, pixel by pixel in Python's integers."""
    weights = [[int(w) for w in row] for row in resample.interpolation_table(interpolation)]
    first = 1 - len(weights[0]) // 2
    # Products of two weights have twice their bits, of which VALUE_BITS stay.
    down = 2 * resample.WEIGHT_BITS - resample.SUM_FRACTION_BITS
    height, width = frame.shape

    def sample(y: int, x: int) -> int:
        return int(frame[min(max(y, 0), height - 1), min(max(x, 0), width - 1)])

    for row, column, y, x in places(spans, first_span, affine, selected):
        outside = min(y, x) < 0 or y > 256 * (height - 1) or x > 256 * (width - 1)
        if inside_only and outside:
            continue
        value = sum(
            wy * wx * sample((y >> 8) + first + j, (x >> 8) + first + i)
            for j, wy in enumerate(weights[y & 255])
            for i, wx in enumerate(weights[x & 255])
        )
        total[0, row, column] += (value + (1 << (down - 1))) >> down
        total[1, row, column] += 1


def fragment_of_each_pixel(mesh: TriangleMesh) -> IntArray:
    """Name the triangle of each pixel of a mesh's image: int64 (y, x)."""
    labels = np.full(mesh.spans.shape, -1)
    for triangle, (begin, end) in enumerate(pairwise(mesh.spans.first)):
        for row, first, last in mesh.spans.spans[begin:end]:
            labels[row, first:last] = triangle
    return labels


def drop_overlap(distance: float, scale: float, drop: float) -> float:
    """Overlap of a drop with a pixel of the image, along one axis, px of the frame."""
    low = max(distance - drop / 2, -0.5 / scale)
    return max(min(distance + drop / 2, 0.5 / scale) - low, 0.0)


def add_drops(
    frame: AnyArray,
    spans: IntArray,
    first_span: IntArray,
    affine: FloatArray,
    selected: BoolArray,
    table: IntArray,
    sites: IntArray,
    total: IntArray,
) -> None:
    """Twin of `kernels.stacking.drizzle.add_drops`: all pixels of the frame, one by one."""
    for row, column, y, x in places(spans, first_span, affine, selected):
        for (r, c), value in np.ndenumerate(frame):
            j, i = r - (y >> 8), c - (x >> 8)
            if j in (0, 1) and i in (0, 1) and sites[r % 2, c % 2]:
                overlap = int(table[y & 255, j]) * int(table[x & 255, i])
                total[0, row, column] += overlap * int(value)
                total[1, row, column] += overlap


def scale_brightness(plane: AnyArray, gain: int, black: int) -> IntArray:
    """Twin of `kernels.frame.brightness.scale_brightness`, in wide integers."""
    scaled = (plane.astype(np.int64) - black) * gain + black * 4096
    return np.floor_divide(scaled + 128, 256)


def label_triangles(corners: IntArray, triangles: IntArray, height: int, width: int) -> IntArray:
    """Twin of `kernels.stacking.rasterise.label_triangles` for corners on whole pixels, exact."""
    y, x = np.mgrid[:height, :width]
    labels = np.full((height, width), -1, np.int64)
    for t, triangle in reversed(list(enumerate(triangles))):
        p = corners[triangle].astype(np.int64)
        sides = [
            (q[0] - o[0]) * (x - o[1]) - (q[1] - o[1]) * (y - o[0])
            for o, q in zip(p, np.roll(p, -1, axis=0), strict=True)
        ]
        inside = np.all([s >= 0 for s in sides], axis=0) | np.all([s <= 0 for s in sides], axis=0)
        labels[inside] = t
    return labels


def brightness_moments(image: AnyArray, threshold: int) -> IntArray:
    """Twin of `kernels.frame.centroid.brightness_moments`."""
    weight = np.maximum(image.astype(np.int64) - threshold, 0)
    y, x = np.indices(image.shape)
    return np.array([weight.sum(), (weight * y).sum(), (weight * x).sum(), (weight > 0).sum()])


def unit_covariance(distance: FloatArray, length: float) -> FloatArray:
    """Wendland's function, as written in the paper (dimension 2, four times differentiable)."""
    r = np.minimum(distance / (4.32 * length), 1.0)
    return (1 - r) ** 6 * (35 * r**2 + 18 * r + 3) / 3


def reject_outliers(field: FloatArray, groups: list[list[int]], tolerance: float) -> BoolArray:
    """Twin of `kernels.field.neighbours.reject_outliers`, given each point's neighbours."""
    out = ~np.isnan(field[:, 0])
    for i in np.flatnonzero(out):
        near = field[groups[i]].reshape(-1, 2)
        near = near[~np.isnan(near[:, 0])]
        if len(near) >= 2:
            median = np.median(near, axis=0)
            spread = np.median(np.hypot(*(near - median).T))
            out[i] = np.hypot(*(field[i] - median)) <= tolerance + 2 * spread
    return out


def fill_gaps(field: FloatArray, valid: BoolArray, groups: list[list[int]]) -> FloatArray:
    """Twin of `kernels.field.neighbours.fill_gaps`, given each point's neighbours."""
    known = {i: field[i] for i in np.flatnonzero(valid)}
    while True:
        ring = {
            i: np.mean([known[j] for j in groups[i] if j in known], axis=0)
            for i in range(len(field))
            if i not in known and any(j in known for j in groups[i])
        }
        if not ring:
            return np.array([known.get(i, np.zeros(2)) for i in range(len(field))]).reshape(-1, 2)
        known |= ring


# --- calibration and colour --------------------------------------------------------------------

MALVAR = {
    "green": [
        [0, 0, -1, 0, 0],
        [0, 0, 2, 0, 0],
        [-1, 2, 4, 2, -1],
        [0, 0, 2, 0, 0],
        [0, 0, -1, 0, 0],
    ],
    "along a row": [
        [0, 0, 0.5, 0, 0],
        [0, -1, 0, -1, 0],
        [-1, 4, 5, 4, -1],
        [0, -1, 0, -1, 0],
        [0, 0, 0.5, 0, 0],
    ],
    "across": [
        [0, 0, -1.5, 0, 0],
        [0, 2, 0, 2, 0],
        [-1.5, 0, 6, 0, -1.5],
        [0, 2, 0, 2, 0],
        [0, 0, -1.5, 0, 0],
    ],
}
"""Filters of Malvar, He and Cutler (2004), figure 2, in eighths."""


def demosaic(frame: AnyArray, cfa: str, *, bilinear: bool = False) -> IntArray:
    """Twin of `kernels.frame.demosaic.demosaic`: each filter over the whole frame."""
    if bilinear:
        return _demosaic_bilinear(frame, cfa)
    padded = np.pad(frame.astype(np.int64), 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))

    def filtered(name: str) -> IntArray:
        return (windows * (2 * np.array(MALVAR[name])).astype(np.int64)).sum(axis=(2, 3))

    row = filtered("along a row")
    column = (windows * (2 * np.array(MALVAR["along a row"]).T).astype(np.int64)).sum(axis=(2, 3))
    green, across = filtered("green"), filtered("across")
    out = np.zeros((3, *frame.shape), np.int64)
    for y, x in np.ndindex(2, 2):
        site = (slice(y, None, 2), slice(x, None, 2))
        own = cfa[2 * y + x]
        for channel, name in enumerate("RGB"):
            if name == own:
                values = 16 * frame.astype(np.int64)
            elif name == "G":
                values = green
            elif own != "G":
                values = across
            else:
                values = row if name in cfa[2 * y : 2 * y + 2] else column
            out[(channel, *site)] = values[site]
    return out


def _demosaic_bilinear(frame: AnyArray, cfa: str) -> IntArray:
    """Each colour's own pixels, and zeros elsewhere, under one pyramid of weights."""
    colours = np.array([[list(cfa[:2]), list(cfa[2:])]])
    sites = np.tile(colours[0], (frame.shape[0] // 2 + 1, frame.shape[1] // 2 + 1))
    sites = sites[: frame.shape[0], : frame.shape[1]]
    near = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    cross = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]])
    return np.stack(
        [
            ndimage.correlate(
                16 * np.where(sites == name, frame.astype(np.int64), 0),
                cross if name == "G" else near,
                mode="mirror",
            )
            // 4
            for name in "RGB"
        ]
    )


def mosaic_to_grey(frame: AnyArray) -> AnyArray:
    """Twin of `kernels.frame.demosaic.mosaic_to_grey`."""
    wide, weights = frame.astype(np.int64), np.array([1, 2, 1])
    for axis in (0, 1):
        wide = ndimage.correlate1d(wide, weights, axis, mode="mirror")
    return ((wide + 8) // 16).astype(frame.dtype)


def rgb_to_grey(frame: AnyArray) -> AnyArray:
    """Twin of `kernels.frame.demosaic.rgb_to_grey`."""
    total = frame.astype(np.int64) @ np.array([19595, 38470, 7471])
    return ((total + 32768) // 65536).astype(frame.dtype)


def calibrate_frame(
    frame: AnyArray, dark: AnyArray, gain: AnyArray, shift: int, black: int
) -> AnyArray:
    """Twin of `kernels.frame.calibration.calibrate_frame`, in wide integers."""
    light = frame.astype(np.int64) * 2**shift - dark
    return np.clip((light * gain + 2048) // 4096 + black, 0, 65535).astype(np.uint16)


def replace_bad_pixels(frame: AnyArray, bad: IntArray, step: int) -> AnyArray:
    """Twin of `kernels.frame.calibration.replace_bad_pixels`; returns what should become of it."""
    bad_ones = {tuple(b) for b in bad.tolist()}
    out = frame.copy()
    for y, x, *channel in bad_ones:
        places = [
            (y + dy * step, x + dx * step, *channel)
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
            if 0 <= y + dy * step < len(frame) and 0 <= x + dx * step < len(frame[0])
        ]
        values = sorted(int(frame[p]) for p in places if p not in bad_ones)
        if values:
            middle = values[(len(values) - 1) // 2] + values[len(values) // 2]
            out[(y, x, *channel)] = middle // 2
    return out


def fill_pixels(
    frame: AnyArray, pixels: IntArray, sources: IntArray, weights: IntArray
) -> AnyArray:
    """Twin of `kernels.frame.calibration.fill_pixels`; returns what should become of the frame."""
    out = frame.copy()
    for i, at in enumerate(pixels.tolist()):
        for channel in np.ndindex(frame.shape[2:]):
            values = [int(frame[y, x, *channel]) for y, x in sources[i].tolist()]
            out[*at, *channel] = (int(np.dot(values, weights[i])) + 2048) // 4096
    return out


def both_ways(*modules: ModuleType) -> Any:
    """Make a fixture that runs tests twice: with compiled kernels, and with interpreted ones."""

    @pytest.fixture(params=["compiled", "interpreted"], autouse=True)
    def _kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        if request.param == "interpreted":
            for module in modules:
                interpret(module, monkeypatch)

    return _kernels


def interpret(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a module's kernels as plain Python, where NumPy warns of integers that overflow."""
    for name, value in vars(module).copy().items():
        if isinstance(value, Kernel) or is_jitted(value):
            monkeypatch.setattr(module, name, value.py_func)


def add_subpixel_variance(motion, triangles, pixels, chosen, steps, out):
    """Twin of `kernels.stacking.subpixel_phase.add_subpixel_variance`."""
    middle = motion[:, triangles].sum(axis=2) / 3
    part = middle - np.floor(middle)
    variance = np.rint(np.nan_to_num(part * (1 - part)) * steps).astype(np.int64)
    out[:, 0] += (variance * pixels[:, None])[chosen].sum(axis=0)
    out[:, 1] += (pixels * chosen).sum()
