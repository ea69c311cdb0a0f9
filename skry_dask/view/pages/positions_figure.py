"""The reference image with anchors, points and the region on it, which the mouse changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.events import SelectionGeometry
from bokeh.models import (
    BoxSelectTool,
    ColumnDataSource,
    DataRange1d,
    PanTool,
    PointDrawTool,
    ResetTool,
    TapTool,
    WheelZoomTool,
)
from bokeh.plotting import figure

from skry_dask.reporting.pictures import MAX_SIDE
from skry_dask.view.positions import DIGITS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from skry_dask.options import Positions
    from skry_dask.types import AnyArray

POINTS, ANCHORS, REGION = "points", "anchors", "region"
"""What the mouse changes."""

N_LAYERS = 2
"""Most images that lie upon each other."""

POINT_COLOUR, ANCHOR_COLOUR, FOUND_COLOUR = "#ffb000", "#35c4ff", "#7dff8a"


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """An image on the pixels of the whole reference frame.

    Parameters
    ----------
    image
        (y, x[, channel]), 1 = full scale.
    y, x
        Place of its first pixel, px.
    white
        Value that is shown white.
    """

    image: AnyArray
    y: int
    x: int
    white: float

    def columns(self) -> dict[str, Any]:
        """Return what a source has of it; pixels without a value are black."""
        height, width = self.image.shape[:2]
        step = -(-max(height, width) // MAX_SIDE)
        levels = np.nan_to_num(self.image[::step, ::step] * (255 / self.white)).clip(0, 255)
        pixels = np.full((*levels.shape[:2], 4), 255, np.uint8)
        pixels[..., :3] = np.rint(levels if levels.ndim > 2 else levels[..., None])
        place = {"x": self.x - 0.5, "y": self.y - 0.5, "width": width, "height": height}
        return {"image": [pixels.view(np.uint32)[..., 0]], **{k: [v] for k, v in place.items()}}


class PositionsFigure:
    """Anchors, points and the region on the reference image.

    Parameters
    ----------
    on_positions
        Called with `POINTS` or `ANCHORS` and all positions when the mouse has changed one: y and x
        of each, px.
    on_region
        Called with y, x, height and width, px, when a region has been drawn.

    Attributes
    ----------
    drawn
        The figure.
    """

    def __init__(
        self,
        on_positions: Callable[[str, list[tuple[float, float]]], None],
        on_region: Callable[[tuple[int, int, int, int]], None],
    ) -> None:
        self._on_positions, self._on_region = on_positions, on_region
        self._shows = False
        self._images = [
            ColumnDataSource({name: [] for name in ("image", "x", "y", "width", "height")})
            for _ in range(N_LAYERS)
        ]
        self._sources = {
            name: ColumnDataSource({"x": [], "y": []}, name=name)
            for name in ("found", POINTS, ANCHORS)
        }
        self._sources[REGION] = ColumnDataSource(
            {"left": [], "right": [], "top": [], "bottom": []}, name=REGION
        )
        self.drawn = self._figure()
        self._tools = self._draw_marks()

    def _figure(self) -> figure:
        drawn = figure(
            name="positions",
            sizing_mode="stretch_width",
            height=520,
            match_aspect=True,
            tools="",
            background_fill_color=None,
            border_fill_color=None,
            outline_line_color=None,
            min_border=0,
        )
        drawn.axis.visible = False
        drawn.grid.visible = False
        images = [
            drawn.image_rgba("image", "x", "y", "width", "height", source=source)
            for source in self._images
        ]
        drawn.x_range = DataRange1d(renderers=images[:1], range_padding=0)
        drawn.y_range = DataRange1d(renderers=images[:1], range_padding=0, flipped=True)
        return drawn

    def _draw_marks(self) -> dict[str, Any]:
        """Draw positions and the region; return the tool that changes each."""
        drawn = self.drawn
        region = {"fill_alpha": 0.0, "line_color": "#ffffff", "line_dash": "dashed"}
        drawn.quad("left", "right", "top", "bottom", source=self._sources[REGION], **region)
        hollow = {"size": 5, "fill_alpha": 0.0, "line_color": FOUND_COLOUR, "line_alpha": 0.7}
        drawn.scatter("x", "y", source=self._sources["found"], **hollow)
        tools: dict[str, Any] = {}
        for name, marker, colour in (
            (ANCHORS, "square", ANCHOR_COLOUR),
            (POINTS, "circle", POINT_COLOUR),
        ):
            look = {"size": 11, "marker": marker, "fill_alpha": 0.4, "line_width": 2}
            marks = drawn.scatter("x", "y", source=self._sources[name], color=colour, **look)
            self._sources[name].on_change("data", self._changed(name))
            tools[name] = PointDrawTool(renderers=[marks], description=f"change {name}")
        tools[REGION] = BoxSelectTool(description="draw the region")
        drawn.on_event(SelectionGeometry, self._drawn)
        scroll = WheelZoomTool()
        self._tap = TapTool(renderers=[], visible=False)
        drawn.add_tools(*tools.values(), PanTool(), scroll, ResetTool(), self._tap)
        drawn.toolbar.logo = None
        drawn.toolbar.active_scroll = scroll
        return tools

    def use(self, mode: str) -> None:
        """Let the mouse change points, anchors or the region.

        From Bokeh 3.10 on, a tool for points gives up dragging only if another one takes its taps.
        """
        tool = self._tools[mode]
        toolbar = self.drawn.toolbar
        toolbar.update(active_tap=self._tap if mode == REGION else tool, active_drag=tool)

    def show(self, layers: Sequence[Layer]) -> None:
        """Show images, the lowest first."""
        for source, layer in zip(self._images, layers, strict=False):
            source.data = layer.columns()
        for source in self._images[len(layers) :]:
            source.data = {name: [] for name in source.data}

    def mark(
        self,
        *,
        points: Positions,
        anchors: Positions,
        found: Positions,
        roi: tuple[int, int, int, int] | None,
    ) -> None:
        """Show positions, y and x of each, px, and the region."""
        self._shows = True
        for name, positions in ((POINTS, points), (ANCHORS, anchors), ("found", found)):
            self._set(name, positions)
        corners = [] if roi is None else [(roi[0], roi[1], roi[0] + roi[2], roi[1] + roi[3])]
        self._sources[REGION].data = {
            "left": [left - 0.5 for _, left, _, _ in corners],
            "right": [right - 0.5 for _, _, _, right in corners],
            "top": [top - 0.5 for top, _, _, _ in corners],
            "bottom": [bottom - 0.5 for _, _, bottom, _ in corners],
        }
        self._shows = False

    def _set(self, name: str, positions: Positions) -> None:
        """Show positions, unless the browser has sent them: it may have newer ones by now."""
        source = self._sources[name]
        pairs = zip(source.data["y"], source.data["x"], strict=True)
        if [(round(y, DIGITS), round(x, DIGITS)) for y, x in pairs] != list(positions):
            source.data = {
                "y": [float(y) for y, _ in positions],
                "x": [float(x) for _, x in positions],
            }

    def _changed(self, name: str) -> Callable[[str, Any, Any], None]:
        def changed(_: str, __: Any, data: dict[str, Any]) -> None:
            if not self._shows:
                pairs = zip(data["y"], data["x"], strict=True)
                self._on_positions(name, [(float(y), float(x)) for y, x in pairs])

        return changed

    def _drawn(self, event: SelectionGeometry) -> None:
        box = event.geometry or {}
        if box.get("type") != "rect" or not event.final:
            return
        top, bottom = sorted((round(box["y0"]), round(box["y1"])))
        left, right = sorted((round(box["x0"]), round(box["x1"])))
        self._on_region((top, left, bottom - top, right - left))
