"""Frames, one by one: raw or stabilised, in order of time or of quality."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import panel as pn

from skry_dask.errors import SkryError
from skry_dask.view.pages.style import PICTURE_CSS
from skry_dask.view.pages.tab import Tab
from skry_dask.view.session import ViewSession  # noqa: TC001 Panel reads annotations
from skry_dask.view.signals import Topic

if TYPE_CHECKING:
    from skry_dask.types import Float32Array

RAW, STABILISED = "raw", "stabilised"
TIME, QUALITY = "time", "quality"
SCALES = {"fit": None, "1 : 1": 1, "2 : 1": 2, "4 : 1": 4}
"""Sizes of the picture: screen pixels per pixel of the frame."""

PAGE = 10
"""Number of frames that a page up or down moves."""

STEPS = {"ArrowLeft": -1, "ArrowRight": 1, "PageUp": -PAGE, "PageDown": PAGE}


class FramesTab(Tab):
    """Steps through frames, and switches single ones off."""

    title = "Frames"

    def __init__(self, session: ViewSession) -> None:
        super().__init__(session)
        n_frames = len(session.numbers)
        self._numbers = session.order()
        self.kind = pn.widgets.RadioButtonGroup(
            label="Shown as", options=[RAW, STABILISED], value=RAW
        )
        self.by = pn.widgets.RadioButtonGroup(label="Order of", options=[TIME, QUALITY], value=TIME)
        self.scale = pn.widgets.RadioButtonGroup(label="Size", options=list(SCALES), value="fit")
        self.place = pn.widgets.IntSlider(
            label="Place in the order",
            start=0,
            end=max(n_frames - 1, 1),
            value=0,
            disabled=n_frames < 2,
            sizing_mode="stretch_width",
        )
        self.used = pn.widgets.Checkbox(label="stack this frame (x)", value=True)
        self.words = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 10))
        self.picture = pn.pane.HTML(
            "", sizing_mode="stretch_width", stylesheets=[PICTURE_CSS], margin=(5, 10)
        )
        self._shows = False
        for widget in (self.kind, self.scale, self.place):
            widget.param.watch(lambda _: self._show(), "value")
        self.by.param.watch(lambda _: self._sort(), "value")
        self.used.param.watch(lambda _: self._switch(), "value")
        self.follow(Topic.RESULTS, self._sort)
        self.follow(Topic.OPTIONS, self._show)
        self._show()

    @property
    def number(self) -> int:
        """Number of the frame that is shown."""
        return int(self._numbers[min(self.place.value, len(self._numbers) - 1)])

    def view(self) -> pn.viewable.Viewable:
        """Build the tab."""
        earlier = pn.widgets.Button(label="◀", width=40, description="earlier (←)")
        later = pn.widgets.Button(label="▶", width=40, description="later (→)")
        earlier.on_click(lambda _: self.on_key("ArrowLeft"))
        later.on_click(lambda _: self.on_key("ArrowRight"))
        help_ = (
            "Keys: ← → one frame, Page ↑ ↓ ten, Home and End, x switches the frame off or on, "
            "r raw, s stabilised, q order of quality."
        )
        return pn.Column(
            pn.FlexBox(self.kind, self.by, self.scale, earlier, later, self.used),
            self.place,
            self.words,
            self.told,
            self.picture,
            pn.pane.HTML(f"<small>{help_}</small>", margin=(0, 10)),
            sizing_mode="stretch_width",
        )

    def on_key(self, key: str) -> None:
        """Step, or change what is shown."""
        last = len(self._numbers) - 1
        if key in STEPS:
            self.place.value = min(max(self.place.value + STEPS[key], 0), last)
        elif key in ("Home", "End"):
            self.place.value = 0 if key == "Home" else last
        elif key == "x":
            self.used.value = not self.used.value
        elif key in ("r", "s"):
            self.kind.value = RAW if key == "r" else STABILISED
        elif key == "q":
            self.by.value = TIME if self.by.value == QUALITY else QUALITY

    def _sort(self) -> None:
        """Put frames into the order that is asked for; the frame that is shown stays."""
        number = self.number
        self._numbers = self.session.order(by_quality=self.by.value == QUALITY)
        found = np.flatnonzero(self._numbers == number)
        place = int(found[0]) if len(found) else 0
        self.place.end = max(len(self._numbers) - 1, 1)
        if place != self.place.value:
            self.place.value = place  # which shows it
        else:
            self._show()

    def _switch(self) -> None:
        """Exclude the frame, or take it in again."""
        if self._shows:  # the box follows the frame
            return
        used = self.used.value
        if not self.attempt(lambda: self.session.choices.exclude([self.number], exclude=not used)):
            self._show()

    def _show(self) -> None:
        number, session = self.number, self.session
        self._shows = True
        self.used.value = not session.choices.is_excluded(number)
        self._shows = False
        try:
            image, what, missing = self._read(number)
        except SkryError as error:  # the file is gone, or damaged there
            self.words.object = f"<b>frame {number}</b> {escape(str(error))}"
            self.picture.object = ""
            return
        quality = float(session.quality()[np.searchsorted(session.numbers, number)])
        about = [f"frame {number}", what, session.reason(number)]
        if not math.isnan(quality):
            about.insert(1, f"quality {quality:.3f} of the best")
        words = ", ".join(word for word in about if word)
        self.words.object = f"<b>{escape(words)}</b> {escape(missing)}"
        scale = SCALES[self.scale.value]
        height, width = image.shape[:2]
        if scale is None:
            ratio = width / height
            fit = f"max(240px, 100vh - 270px) * {ratio:.4f}"
            size = f"width:min(100%, {4 * width}px, {fit});aspect-ratio:{ratio:.4f}"
        else:
            size = f"width:{width * scale}px"
        self.picture.object = (
            f'<img id="frame" alt="{escape(words[0].upper() + words[1:])}" '
            f'style="{size}" src="{session.frames.picture(image)}">'
        )

    def _read(self, number: int) -> tuple[Float32Array, str, str]:
        """Read a frame; return what is shown, how, and why not as it was wished."""
        missing = ""
        if self.kind.value == STABILISED:
            image = self.session.stabilised_frame(number)
            if image is not None:
                return image, STABILISED, ""
            missing = self._why_not(number)
        return self.session.raw_frame(number), RAW, missing

    def _why_not(self, number: int) -> str:
        """Say why a frame cannot be shown stabilised."""
        if self.session.shown.alignment is None:
            return "(not aligned yet: run the job)"
        return f"(not aligned: {self.session.reason(number) or 'it was not measured'})"
