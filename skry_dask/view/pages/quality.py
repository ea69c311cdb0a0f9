"""The graph of quality, on which frames and ranges of them are switched off and on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import panel as pn
from bokeh.models import BoxSelectTool, ColumnDataSource, HoverTool, Range1d, TapTool
from bokeh.plotting import figure

from skry_dask.view.pages.described import Described
from skry_dask.view.pages.style import GREY
from skry_dask.view.pages.tab import Tab
from skry_dask.view.session import ViewSession  # noqa: TC001 Panel reads annotations
from skry_dask.view.signals import Topic

if TYPE_CHECKING:
    from typing import Any

OFF, ON = "switch off", "switch on"
TIME, QUALITY = "time", "quality"

STACKED, EXCLUDED, LEFT_OUT = "stacked", "switched off", "not aligned"
COLOURS = {STACKED: "#2a7de1", EXCLUDED: "#e0524d", LEFT_OUT: GREY}


class QualityTab(Tab):
    """Shows how good frames are, over time or sorted, and chooses among them by mouse."""

    title = "Quality"

    def __init__(self, session: ViewSession) -> None:
        super().__init__(session)
        self.by = pn.widgets.RadioButtonGroup(label="Order of", options=[TIME, QUALITY], value=TIME)
        self.mode = pn.widgets.RadioButtonGroup(
            label="A click or a box", options=[OFF, ON], value=OFF
        )
        self.excluded = pn.widgets.TextInput(
            label="Switched off: numbers and ranges such as 17,40:52",
            sizing_mode="stretch_width",
            max_width=600,
        )
        self.worst = pn.widgets.IntInput(
            label="Switch off the worst, %", value=10, start=1, end=99, width=150
        )
        self.measure = pn.widgets.Button(label="Measure quality", color="primary")
        self.words = pn.pane.HTML("", margin=(5, 10), sizing_mode="stretch_width")
        self.source = ColumnDataSource(
            {"x": [], "y": [], "number": [], "what": [], "colour": []}, name="quality"
        )
        self.graph = Described(figure=pn.pane.Bokeh(self._figure()), sizing_mode="stretch_width")
        self._shows = False
        for widget in (self.by, self.mode):
            widget.param.watch(lambda _: self._show(), "value")
        self.excluded.param.watch(lambda _: self._write(), "value")
        self.measure.on_click(lambda _: self.attempt(lambda: session.run("quality")))
        self.source.selected.on_change("indices", self._select)
        for topic in (Topic.RESULTS, Topic.OPTIONS):
            self.follow(topic, self._show)
        self._show()

    def _figure(self) -> figure:
        self._places, self._heights = Range1d(start=-1, end=1), Range1d(start=-0.02, end=1.05)
        drawn = figure(
            name="graph",
            height=330,
            sizing_mode="stretch_width",
            x_range=self._places,
            y_range=self._heights,
            tools="xpan,xwheel_zoom,reset",
            background_fill_color=None,
            border_fill_color=None,
            x_axis_label="frame",
            y_axis_label="quality, 1 = best frame",
        )
        for axis in (drawn.xaxis, drawn.yaxis):
            axis.update(
                axis_label_text_color=GREY,
                major_label_text_color=GREY,
                axis_line_color=GREY,
                major_tick_line_color=GREY,
                minor_tick_line_color=None,
            )
        drawn.grid.grid_line_color, drawn.grid.grid_line_alpha = GREY, 0.3
        drawn.outline_line_color = GREY
        self._axis = drawn.xaxis[0]
        points = drawn.scatter(
            "x",
            "y",
            source=self.source,
            size=7,
            color="colour",
            legend_field="what",
            nonselection_alpha=1.0,
        )
        drawn.legend.update(
            location="bottom_left",
            orientation="horizontal",
            background_fill_alpha=0.0,
            label_text_color=GREY,
            border_line_color=None,
            padding=2,
        )
        box = BoxSelectTool(dimensions="width", renderers=[points])
        drawn.add_tools(
            TapTool(renderers=[points]),
            box,
            HoverTool(renderers=[points], tooltips="frame @number: @y{0.000}, @what"),
        )
        drawn.toolbar.active_drag = box
        drawn.toolbar.logo = None
        return drawn

    def view(self) -> pn.viewable.Viewable:
        """Build the tab."""
        worst = pn.widgets.Button(label="Switch off", margin=(22, 5))
        all_on = pn.widgets.Button(label="Switch all on", margin=(22, 5))
        worst.on_click(lambda _: self._leave_out_the_worst())
        all_on.on_click(lambda _: self.attempt(lambda: self.session.choices.exclude_only(None)))
        return pn.Column(
            pn.FlexBox(self.by, self.mode, self.measure),
            self.words,
            self.told,
            self.graph,
            pn.FlexBox(self.excluded, self.worst, worst, all_on),
            sizing_mode="stretch_width",
        )

    def _show(self) -> None:
        session = self.session
        numbers, quality = session.order(by_quality=self.by.value == QUALITY), session.quality()
        at = np.searchsorted(session.numbers, numbers)
        excluded = session.choices.excluded
        known = not np.isnan(quality).all()
        what = np.full(len(numbers), STACKED, dtype=object)
        what[np.isnan(quality[at])] = LEFT_OUT if known else STACKED
        what[excluded[at]] = EXCLUDED
        sorted_ = self.by.value == QUALITY
        self._shows = True
        self.source.data = {
            "x": np.arange(len(numbers)) if sorted_ else numbers,
            "y": np.nan_to_num(quality[at]),
            "number": numbers,
            "what": what,
            "colour": [COLOURS[word] for word in what],
        }
        first, last = (0, len(numbers) - 1) if sorted_ else (int(numbers[0]), int(numbers[-1]))
        self._places.update(start=first - 1, end=last + 1)
        self._places.update(reset_start=first - 1, reset_end=last + 1)
        self._axis.axis_label = "rank" if sorted_ else "frame"
        worst = float(np.nanmin(quality)) if known and not np.isnan(quality).any() else 0.0
        self._heights.start = max(worst - 0.3 * (1 - worst), -0.02)
        self.excluded.value = session.options.select.exclude or ""
        self._shows = False
        self.measure.visible = not known
        n_off = int(excluded.sum())
        words = f"{len(numbers) - n_off} of {len(numbers)} frames are stacked, {n_off} switched off"
        if not known:
            words += "; their quality has not been measured yet"
        how = f"Click a frame, or draw a box over several, to {self.mode.value} what is there."
        self.words.object = f"<b>{words}.</b> {how}"
        self.graph.words = f"Graph of the quality of frames over {self.by.value}: {words}."

    def _select(self, _: str, __: Any, chosen: list[int]) -> None:
        """Switch frames that were clicked or boxed."""
        if not chosen:
            return
        numbers = [int(self.source.data["number"][i]) for i in chosen]
        self.source.selected.indices = []
        off = self.mode.value == OFF
        if not self.attempt(lambda: self.session.choices.exclude(numbers, exclude=off)):
            self._show()

    def _write(self) -> None:
        """Switch off what was written."""
        if not self._shows:
            text = self.excluded.value.strip() or None
            self.attempt(lambda: self.session.choices.exclude_only(text))

    def _leave_out_the_worst(self) -> None:
        quality, numbers = self.session.quality(), self.session.numbers
        known = np.flatnonzero(~np.isnan(quality))
        n_worst = round(len(known) * self.worst.value / 100)
        worst = known[np.argsort(quality[known], kind="stable")[:n_worst]]
        self.attempt(lambda: self.session.choices.exclude(numbers[worst].tolist()))
