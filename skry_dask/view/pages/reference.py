"""The reference image: anchors and reference points are placed on it, and the region is drawn."""

from __future__ import annotations

import panel as pn

from skry_dask.io.positions import parse_positions
from skry_dask.reporting.pictures import white_of
from skry_dask.view.pages.described import Described
from skry_dask.view.pages.positions_figure import ANCHORS, POINTS, REGION, Layer, PositionsFigure
from skry_dask.view.pages.tab import Tab
from skry_dask.view.session import ViewSession  # noqa: TC001 Panel reads annotations
from skry_dask.view.signals import Topic

HELP = {
    POINTS: "Click to place a reference point, drag one to move it; click one and press Backspace "
    "to delete it.",
    ANCHORS: "Click to place an anchor, drag one to move it; click one and press Backspace to "
    "delete it.",
    REGION: "Draw a box: only that part of each frame is used.",
}


class ReferenceTab(Tab):
    """Places anchors and points, and draws the region."""

    title = "Reference"

    def __init__(self, session: ViewSession) -> None:
        super().__init__(session)
        self.mode = pn.widgets.RadioButtonGroup(
            label="The mouse changes", options=[POINTS, ANCHORS, REGION], value=POINTS
        )
        self.lines = pn.widgets.TextAreaInput(
            label="y x on each line, px", height=300, width=220, resizable=False
        )
        self.words = pn.pane.HTML("", margin=(5, 10), sizing_mode="stretch_width")
        self.take_found = pn.widgets.Button(label="Take the found points")
        self.remove_all = pn.widgets.Button(label="Remove all")
        self.figure = PositionsFigure(self._place, self._draw_region)
        drawn = pn.pane.Bokeh(self.figure.drawn, sizing_mode="stretch_width")
        self.graph = Described(figure=drawn, sizing_mode="stretch_width", min_width=300)
        self._shows = False
        self.mode.param.watch(lambda _: self._use(), "value")
        self.lines.param.watch(lambda _: self._write(), "value")
        self.take_found.on_click(
            lambda _: self.attempt(lambda: session.choices.place_points(session.found_points))
        )
        self.remove_all.on_click(lambda _: self._remove())
        self.follow(Topic.OPTIONS, self._mark)
        self.follow(Topic.RESULTS, self._show_results)
        self._drawn_of: object = None
        self._draw()
        self._use()

    def view(self) -> pn.viewable.Viewable:
        """Build the tab."""
        return pn.Column(
            pn.FlexBox(self.mode, self.take_found, self.remove_all),
            self.words,
            self.told,
            pn.FlexBox(
                pn.Column(self.graph, min_width=300, styles={"flex": "1 1 500px"}), self.lines
            ),
            sizing_mode="stretch_width",
        )

    def _show_results(self) -> None:
        """Draw the image anew if it is another one."""
        shown = self.session.shown
        if self._drawn_of is not (shown.quality if shown.quality is not None else shown.alignment):
            self._draw()
        else:
            self._mark()

    def _draw(self) -> None:
        shown, frames = self.session.shown, self.session.frames
        number = self.session.choices.reference_number
        layers = [Layer(frames.raw(number), 0, 0, frames.white)]
        quality = shown.quality
        self._drawn_of = quality if quality is not None else shown.alignment
        if quality is not None:
            image = quality["reference"]
            y, x = (
                int(image[dim][0]) + at for dim, at in zip(("y", "x"), shown.origin, strict=True)
            )
            values = image.to_numpy()
            layers.append(Layer(values, y, x, white_of(values)))
        self.figure.show(layers)
        self._mark()

    def _use(self) -> None:
        self.figure.use(self.mode.value)
        self._mark()

    def _mark(self) -> None:
        session, mode = self.session, self.mode.value
        choices, roi = session.choices, session.options.select.roi_px
        found = () if choices.points else session.found_points
        self.figure.mark(points=choices.points, anchors=choices.anchors, found=found, roi=roi)
        self.take_found.visible = mode == POINTS and len(session.found_points) > 0
        self.remove_all.label = "Whole frame" if mode == REGION else f"Remove all {mode}"
        positions = {POINTS: choices.points, ANCHORS: choices.anchors, REGION: ()}[mode]
        self._shows = True
        self.lines.visible = mode != REGION
        self.lines.value = "\n".join(f"{y:g} {x:g}" for y, x in positions)
        self._shows = False
        placed = "the whole frame" if roi is None else "y {} x {}, {} high, {} wide".format(*roi)
        words = (
            f"Reference frame {choices.reference_number}: "
            f"{len(choices.points) or 'automatic'} reference points ({len(found)} found), "
            f"{len(choices.anchors) or 'automatic'} anchors, region: {placed}."
        )
        self.words.object = f"<b>{words}</b> {HELP[mode]}"
        self.graph.words = words

    def _place(self, name: str, positions: list[tuple[float, float]]) -> None:
        choices = self.session.choices
        place = choices.place_points if name == POINTS else choices.place_anchors
        if not self.attempt(lambda: place(positions)):
            self._mark()

    def _draw_region(self, roi: tuple[int, int, int, int]) -> None:
        self.attempt(lambda: self.session.choices.choose_region(roi))
        self._mark()

    def _write(self) -> None:
        """Place what was written."""
        if self._shows:
            return
        text = self.lines.value.strip()

        def place() -> None:
            self._place(self.mode.value, list(parse_positions(text, "this list")) if text else [])

        self.attempt(place)

    def _remove(self) -> None:
        if self.mode.value == REGION:
            self.attempt(lambda: self.session.choices.choose_region(None))
        else:
            self._place(self.mode.value, [])
