"""The part of a mesh for a window has the window's pixels, each at its place in the frame."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.geometry.canvas import Region
from skry_dask.geometry.mesh import Spans, TriangleMesh
from skry_dask.geometry.mesh_window import MeshWindow
from skry_dask.kernels.stacking.row_spans import counted_from


def labels_of(spans: Spans) -> np.ndarray:
    """Label each pixel with its fragment, -1 for none."""
    labels = np.full(spans.shape, -1)
    owner = np.repeat(np.arange(spans.n_fragments), np.diff(spans.first))
    for (row, begin, end), fragment in zip(spans.spans.tolist(), owner.tolist(), strict=True):
        labels[row, begin:end] = fragment
    return labels


def places_in_fixed_point(affine: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Find the place of pixels along one axis, with 32 fractional bits, as kernels do."""
    origin, down, along = np.floor(affine * 2.0**32 + 0.5).astype(np.int64)
    return origin + down * rows + along * columns


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_window_has_its_pixels_at_their_places(data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    region = Region(data.draw(st.integers(-9, 9)), 3, 40, 60)
    points = random.uniform([region.y, 3], [region.y + 39, 62], (data.draw(st.integers(0, 12)), 2))
    mesh = TriangleMesh.of_points(points, region, scale=data.draw(st.sampled_from([1.0, 1.5])))
    height, width = mesh.spans.shape
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    rows = slice(y, data.draw(st.integers(y + 1, height)))
    columns = slice(x, data.draw(st.integers(x + 1, width)))
    window = MeshWindow.of_mesh(mesh, rows, columns)

    labels = labels_of(window.spans)[:, window.n_before :]
    expected = labels_of(mesh.spans)[rows, columns]
    np.testing.assert_array_equal(window.fragments[labels], expected)
    in_image = labels_of(window.spans_in_image)[rows, columns]
    np.testing.assert_array_equal(in_image, labels)
    begins = {(row, begin) for row, begin, _ in mesh.spans.spans.tolist()}
    assert begins >= {(row, begin) for row, begin, _ in window.spans_in_image.spans.tolist()}
    low, high = window.bounds[..., 0], window.bounds[..., 1]
    for fragment, (first, last) in enumerate(zip(low, high, strict=True)):
        where = np.argwhere(labels_of(window.spans) == fragment)
        assert (where.min(axis=0) >= first).all()
        assert (where.max(axis=0) <= last).all()

    motion = random.normal(0, 3, (2, len(mesh.corners), 2))
    affine = window.affine(motion[:, window.corners])
    for of_frame, moved in zip(affine, motion, strict=True):
        np.testing.assert_array_equal(of_frame, mesh.affine(moved)[window.fragments])
    places, exact = counted_from(affine, window.row, window.column)
    r, c = np.indices(window.spans.shape)
    for before, after in zip(affine[exact], places[exact], strict=True):
        for axis in (0, 1):
            np.testing.assert_array_equal(
                places_in_fixed_point(after[axis] + [1000, 0, 0], r, c),
                places_in_fixed_point(before[axis], r + window.row, c + window.column)
                + (1000 << 32),
            )


def test_places_far_beyond_all_frames_are_not_exact() -> None:
    usual = np.array([[3.3, 1.001, 0.002], [-700.7, 0.001, 0.999]])
    affine = np.stack([usual, usual, usual, usual])
    affine[1, 0, 0] = np.nan
    affine[2, 1, 2] = 1e5
    affine[3, 0, 1] = 2000.0
    _, exact = counted_from(affine, 400, 300)
    assert exact.tolist() == [True, False, False, False]
