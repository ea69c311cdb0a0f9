"""Windows of a stack: its images and counts, computed for a part of them alone.

Of several nested stacks, all arrays have these as their first dim.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from skry_dask.geometry.mesh_window import MeshWindow
from skry_dask.phases.stacking.interpolation_loss import LARGE_BLOCK_FRAMES
from skry_dask.phases.stacking.window_sums import window_sums

if TYPE_CHECKING:
    import dask.array as da

    from skry_dask.graph.frame_parts import FrameParts
    from skry_dask.phases.stacking.nested_stacks import NestedStacks
    from skry_dask.phases.stacking.shift_and_add import ImageSums
    from skry_dask.phases.stacking.stack_images import StackImages
    from skry_dask.types import AnyArray


class _Part(NamedTuple):
    """Sums of a window and some pixels around it, and where the window is in them."""

    sums: ImageSums
    rows: slice
    columns: slice

    def cut(self, image: da.Array) -> da.Array:
        """Cut the window out of what was made of the sums: (..., y, x)."""
        return image[..., self.rows, self.columns]


@dataclass(frozen=True, slots=True, eq=False)
class StackWindows:
    """Computes windows of a stack's images and of its count.

    Parameters
    ----------
    made
        How images are made of sums.
    frames
        Of the capture.
    packed
        uint8 (frame, selection, byte), see `pack_selection`.
    """

    made: StackImages | NestedStacks
    frames: FrameParts
    packed: AnyArray
    _parts: dict[tuple[int, ...], _Part] = field(default_factory=dict)

    def stack(self, rows: slice, columns: slice) -> da.Array:
        """Make a window of the stack: lazy float32 (plane, y, x)."""
        part = self._part(rows, columns)
        return part.cut(self.made.stack(part.sums, self._blur()))

    def halves(self, rows: slice, columns: slice) -> da.Array:
        """Make a window of the half stacks: lazy float32 (half, plane, y, x)."""
        part = self._part(rows, columns)
        return part.cut(self.made.halves(part.sums, self._blur()))

    def noise(self, rows: slice, columns: slice) -> da.Array:
        """Make a window of the noise: lazy float32 (plane, y, x)."""
        part = self._part(rows, columns)
        return part.cut(self.made.noise(part.sums, self._blur()))

    def count(self, rows: slice, columns: slice) -> da.Array:
        """Make a window of the count: lazy (y, x)."""
        part = self._part(rows, columns)
        return part.cut(self.made.count(part.sums))

    def _blur(self) -> da.Array | None:
        """Find the blur of all fragments: the whole image is restored by one filter."""
        return self.made.plan.blur(self.packed, LARGE_BLOCK_FRAMES)

    def _part(self, rows: slice, columns: slice) -> _Part:
        """Add up a window, once for all that is made of it."""
        key = (rows.start, rows.stop, columns.start, columns.stop)
        if key not in self._parts:
            plan = self.made.plan
            (y, own_rows), (x, own_columns) = (
                _wider(window, self.made.reach, n)
                for window, n in zip((rows, columns), plan.mesh.spans.shape, strict=True)
            )
            window = MeshWindow.of_mesh(plan.mesh, y, x)
            sums = window_sums(plan, self.frames, self.packed, self.made.requests, window)
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
