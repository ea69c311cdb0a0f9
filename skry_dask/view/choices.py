"""What the user chooses: the options of the next job, frame by frame and point by point."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.capture.select import named_frames, select
from skry_dask.errors import OptionsError
from skry_dask.graph.datasets import excluded_frames
from skry_dask.options import Options
from skry_dask.view.exclusion import exclusion_text
from skry_dask.view.positions import on_whole_frame, to_options, with_region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from skry_dask.options import Positions
    from skry_dask.types import BoolArray
    from skry_dask.view.frames import FrameSource


class Choices:
    """The options of the next job, and what changes them.

    Parameters
    ----------
    options
        To begin with.
    frames
        Returns the frames.
    reference
        Returns the number of the reference frame, where options do not say it.
    before_change
        Called with options before they are taken; an exception refuses them.
    on_change
        Called when options have changed.
    """

    def __init__(
        self,
        options: Options,
        *,
        frames: Callable[[], FrameSource],
        reference: Callable[[], int],
        before_change: Callable[[Options], None],
        on_change: Callable[[], None],
    ) -> None:
        self._options = options
        self._frames = frames
        self._reference = reference
        self._before_change = before_change
        self._on_change = on_change

    @property
    def options(self) -> Options:
        """Options of the next job."""
        return self._options

    def take(self, options: Options) -> None:
        """Take other options of the next job."""
        if options == self._options:
            return
        self._before_change(options)
        self._options = options
        self._on_change()

    def change(self, **choices: Any) -> None:
        """Change single options of the next job, by their names; those that contradict them go.

        Raises
        ------
        OptionsError
            If there is no such option, or a value is out of range; nothing is changed then.
        """
        self.take(Options.of(self._options, **choices))

    @property
    def excluded(self) -> BoolArray:
        """Whether the user has excluded each frame: bool (frame)."""
        only_labels = self._frames().capture.drop_vars("frames")
        return excluded_frames(select(only_labels, replace(self._options.select, roi=None)))

    def is_excluded(self, number: int) -> bool:
        """Return whether the user has excluded a frame."""
        return bool(self.excluded[np.searchsorted(self._frames().numbers, number)])

    def exclude(self, frames: str | Iterable[int], *, exclude: bool = True) -> None:
        """Exclude frames from the stack, or take them in again.

        Parameters
        ----------
        frames
            Numbers of the frames, or a text such as "17,40:52".
        exclude
            Whether to exclude them.

        Raises
        ------
        OptionsError
            If there is no such frame, or none would be left.
        """
        numbers = self._frames().numbers
        named = (
            named_frames("exclude", frames, numbers)
            if isinstance(frames, str)
            else np.isin(numbers, list(frames))
        )
        self._exclude(self.excluded | named if exclude else self.excluded & ~named)

    def exclude_only(self, frames: str | None) -> None:
        """Exclude these frames, and no others: a text such as "17,40:52"; None = no frame.

        Raises
        ------
        OptionsError
            If there is no such frame, or none would be left.
        """
        numbers = self._frames().numbers
        none = np.zeros(len(numbers), bool)
        self._exclude(none if frames is None else named_frames("exclude", frames, numbers))

    def _exclude(self, excluded: BoolArray) -> None:
        if excluded.all():
            raise OptionsError("no frame is left: exclude fewer")
        text = exclusion_text(self._frames().numbers, excluded)
        chosen = replace(self._options.select, exclude=text, active_flags=None)
        self.take(replace(self._options, select=chosen))

    # --- positions ------------------------------------------------------------------------------

    @property
    def anchors(self) -> Positions:
        """Anchors that the user has placed: y and x on the whole reference frame, px."""
        return on_whole_frame(self._options.align.anchors, self._options)

    @property
    def points(self) -> Positions:
        """Reference points that the user has placed: y and x on the whole reference frame, px."""
        return on_whole_frame(self._options.track.points, self._options)

    @property
    def reference_number(self) -> int:
        """Number of the frame on whose pixels positions are: the reference frame."""
        if self._options.align.reference is not None:
            return self._options.align.reference
        return self._reference()

    def place_anchors(self, positions: Iterable[tuple[float, float]]) -> None:
        """Place anchors, in place of all others; none = they are placed automatically.

        Parameters
        ----------
        positions
            y and x on the whole reference frame, px. Those outside the region are left out.
        """
        anchors = to_options(positions, self._options)
        self.take(self._pinned(align=replace(self._options.align, anchors=anchors)))

    def place_points(self, positions: Iterable[tuple[float, float]]) -> None:
        """Place reference points, in place of all others; none = they are placed automatically.

        Parameters
        ----------
        positions
            y and x on the whole reference frame, px. Those outside the region are left out.
        """
        points = to_options(positions, self._options)
        self.take(self._pinned(track=replace(self._options.track, points=points)))

    def choose_region(self, roi: tuple[int, int, int, int] | None) -> None:
        """Use a part of each frame only: y, x, height and width, px; None = whole frames.

        Anchors and points stay where they are; those outside are left out.
        """
        if roi is not None:
            (y, x, height, width), (rows, columns) = roi, self._frames().shape
            top, left = max(0, y), max(0, x)
            height, width = min(y + height, rows) - top, min(x + width, columns) - left
            roi = (top, left, height, width)
        self.take(with_region(self._options, roi))

    def _pinned(self, **phases: Any) -> Options:
        """Change phases; positions hold for this reference frame, whatever else changes."""
        changed = replace(self._options, **phases)
        if changed.align.anchors or changed.track.points:
            changed = replace(
                changed, align=replace(changed.align, reference=self.reference_number)
            )
        return changed
