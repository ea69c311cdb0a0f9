"""Frames of a capture, one at a time: raw or stabilised, in the order of time or of quality.

A frame is read when it is asked for. The page asks for the next one when the last one has come, so
that a slider can be dragged over a capture of any length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from skry_dask.capture.calibration.develop import Developer
from skry_dask.capture.calibration.on_canvas import developed_image, frame_on_canvas
from skry_dask.errors import OptionsError, SkryError
from skry_dask.graph.datasets import region_of
from skry_dask.reporting.modules import static_text
from skry_dask.widgets.base import WIDGETS, Widget
from skry_dask.widgets.pictures import to_png, to_still, white_level

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.types import Float32Array, FloatArray, IntArray

TIME, QUALITY = "time", "quality"
"""Orders of frames."""


class FrameBrowser(Widget):
    """Frames of a capture, one at a time: see `browse_frames`.

    Parameters
    ----------
    capture, alignment, quality
        See `browse_frames`.

    Attributes
    ----------
    position
        Place of the frame that is shown in the order, from 0.
    order
        "time" or "quality".
    stabilised
        Whether the scene is shown where the reference frame shows it.
    frame
        Number of the frame that is shown.
    caption
        What is known of it.
    """

    _esm = static_text("picture.js") + static_text("frame_browser.js", package=WIDGETS)
    _css = static_text("picture.css") + static_text("frame_browser.css", package=WIDGETS)

    n_frames = traitlets.Int().tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)
    order = traitlets.Enum([TIME, QUALITY], TIME).tag(sync=True)
    orders = traitlets.List(traitlets.Unicode()).tag(sync=True)
    stabilised = traitlets.Bool(False).tag(sync=True)
    can_stabilise = traitlets.Bool(False).tag(sync=True)
    curve = traitlets.Bytes().tag(sync=True)
    png = traitlets.Bytes().tag(sync=True)
    shown = traitlets.Int(-1).tag(sync=True)
    frame = traitlets.Int().tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        capture: xr.Dataset,
        alignment: xr.Dataset | None = None,
        quality: xr.Dataset | None = None,
        **traits: Any,
    ) -> None:
        n_frames = capture.sizes["frame"]
        if n_frames == 0:
            raise OptionsError("the capture has no frames: select some")
        self._capture, self._developer = capture, Developer.of(capture)
        self._alignment = alignment
        self._region = None if alignment is None else region_of(alignment, capture)
        self._quality = _relative_quality(quality, n_frames)
        rated = np.nan_to_num(self._quality, nan=-np.inf)
        self._orders: dict[str, IntArray] = {TIME: np.arange(n_frames)}
        if quality is not None:
            self._orders[QUALITY] = np.argsort(-rated, kind="stable")
        self._white = white_level(self._image(0))
        super().__init__(
            n_frames=n_frames,
            orders=list(self._orders),
            can_stabilise=alignment is not None,
            **traits,
        )
        self._show()

    @traitlets.validate("position")
    def _in_capture(self, proposal: Any) -> int:
        return int(np.clip(proposal["value"], 0, max(self.n_frames - 1, 0)))

    @traitlets.validate("order")
    def _is_known(self, proposal: Any) -> str:
        if proposal["value"] not in self._orders:
            raise traitlets.TraitError("order is 'quality': give the result of estimate_quality")
        return str(proposal["value"])

    @traitlets.validate("stabilised")
    def _is_aligned(self, proposal: Any) -> bool:
        if proposal["value"] and self._alignment is None:
            raise traitlets.TraitError("stabilised is True: give the result of align")
        return bool(proposal["value"])

    @traitlets.observe("order")
    def _keep_frame(self, change: Any) -> None:
        if change["old"] in self._orders and self.shown >= 0:
            index = self._orders[change["old"]][self.position]
            at = int(np.flatnonzero(self._orders[self.order] == index)[0])
            if at == self.position:
                self._show()
            self.position = at

    @traitlets.observe("position", "stabilised")
    def _on_choice(self, _change: Any) -> None:
        if self.shown >= 0:  # not while it is made
            self._show()

    def _show(self) -> None:
        """Read the frame, and show it."""
        order = self._orders[self.order]
        index = int(order[self.position])
        self.frame = int(self._capture["frame"][index])
        curve = self._quality[order].astype(np.float32).tobytes()
        with self.hold_sync():
            if self.curve != curve:
                self.curve = curve
            try:
                self.png = to_png(self._image(index), self._white)
                self.caption = self._words(index)
            except SkryError as error:
                self.caption = str(error)
            self.shown = self.position

    def _image(self, index: int) -> Float32Array:
        """Read a frame: float32 (y, x[, channel])."""
        frame = self._capture["frames"][index].to_numpy()
        alignment, region = self._alignment, self._region
        if alignment is None or region is None or not self.stabilised:
            return developed_image(frame, self._developer)
        offset = np.nan_to_num(alignment["offset"].to_numpy()[index])
        return frame_on_canvas(frame, self._developer, offset, region.y_coords, region.x_coords)

    def _words(self, index: int) -> str:
        words = [f"frame {self.frame}"]
        if "time" in self._capture.coords:
            at = self._capture["time"].to_numpy()[index]
            words.append(f"{np.datetime_as_string(at, unit='ms')} UTC")
        if not np.isnan(self._quality[index]):
            words.append(f"quality {100 * self._quality[index]:.0f} % of the best")
        if self._alignment is not None and not self._alignment["active"].to_numpy()[index]:
            reason = self._alignment["reason"]
            names = str(reason.attrs.get("flag_meanings", "")).split()
            code = int(reason.to_numpy()[index])
            words.append(names[code].replace("_", " ") if code < len(names) else "not aligned")
        return " · ".join(words)

    def stills(self) -> dict[str, str]:
        """Return a picture of the frame that is shown."""
        index = int(self._orders[self.order][self.position])
        return {self.caption: to_still(self._image(index), self._white)}


def _relative_quality(quality: xr.Dataset | None, n_frames: int) -> FloatArray:
    """Take the quality of frames, 1 = best: float64 (frame), NaN where it is not known."""
    if quality is None:
        return np.full(n_frames, np.nan)
    values = quality["frame_quality"].to_numpy().astype(np.float64)
    best = np.nanmax(values, initial=0.0)
    return values / best if best > 0 else values
