"""Windows of a stack: its images and counts, computed for a part of them alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from skry_dask.geometry.mesh_window import MeshWindow
from skry_dask.phases.stacking.interpolation_loss import LARGE_BLOCK_FRAMES
from skry_dask.phases.stacking.mean_images import reach_of
from skry_dask.phases.stacking.window_sums import window_sums

if TYPE_CHECKING:
    import dask.array as da

    from skry_dask.graph.frame_parts import FrameParts
    from skry_dask.phases.stacking.resampling import ImageRequest
    from skry_dask.phases.stacking.shift_and_add import ImageSums
    from skry_dask.phases.stacking.stack_plan import StackPlan
    from skry_dask.types import AnyArray


class _Part(NamedTuple):
    """Sums of a window and some pixels around it, and where the window is in them."""

    sums: ImageSums
    rows: slice
    columns: slice


@dataclass(frozen=True, slots=True, eq=False)
class StackWindows:
    """Computes windows of a stack's images and of its count.

    Parameters
    ----------
    plan
        Of the whole stack.
    frames
        Of the capture.
    packed
        uint8 (frame, selection, byte), see `pack_selection`.
    requests
        The images.
    """

    plan: StackPlan
    frames: FrameParts
    packed: AnyArray
    requests: list[ImageRequest]
    _parts: dict[tuple[int, ...], _Part] = field(default_factory=dict)

    def images(self, rows: slice, columns: slice) -> da.Array:
        """Make a window of the mean images: lazy float32 (image, y, x)."""
        part = self._part(rows, columns)
        # Of all fragments, wherever the window is: the whole image is restored by the same filter.
        blur = self.plan.blur(self.packed, LARGE_BLOCK_FRAMES)
        images = self.plan.images(part.sums, self.requests, blur)
        return images[:, part.rows, part.columns]

    def count(self, rows: slice, columns: slice) -> da.Array:
        """Make a window of the count: lazy (y, x)."""
        part = self._part(rows, columns)
        return self.plan.count(part.sums, self.requests)[part.rows, part.columns]

    def _part(self, rows: slice, columns: slice) -> _Part:
        """Add up a window, once for the images and the count."""
        key = (rows.start, rows.stop, columns.start, columns.stop)
        if key not in self._parts:
            reach = reach_of(self.plan.resampling)
            (y, own_rows), (x, own_columns) = (
                _wider(window, reach, n)
                for window, n in zip((rows, columns), self.plan.mesh.spans.shape, strict=True)
            )
            window = MeshWindow.of_mesh(self.plan.mesh, y, x)
            sums = window_sums(self.plan, self.frames, self.packed, self.requests, window)
            self._parts.clear()  # of earlier windows
            self._parts[key] = _Part(sums, own_rows, own_columns)
        return self._parts[key]


def _wider(window: slice, reach: int, n: int) -> tuple[slice, slice]:
    """Widen a window along one axis of n pixels.

    Returns
    -------
    The wider window, and the window in it.
    """
    start, stop = max(window.start - reach, 0), min(window.stop + reach, n)
    return slice(start, stop), slice(window.start - start, window.stop - start)
