"""Stacks of several percentages, compared; and how the stack grows, frame by frame."""

from __future__ import annotations

import math
import threading
from html import escape
from typing import TYPE_CHECKING

import panel as pn

from skry_dask.options.animation import AnimationOptions, FrameOrder
from skry_dask.reporting.pictures import white_of
from skry_dask.view.pages.background import Background
from skry_dask.view.pages.images import ImageComparison
from skry_dask.view.pages.style import PICTURE_CSS
from skry_dask.view.pages.tab import Tab
from skry_dask.view.session import ViewSession  # noqa: TC001 Panel reads annotations
from skry_dask.view.stacks import CancelledError, growing_pictures, stack_percentages

if TYPE_CHECKING:
    from collections.abc import Callable

    from skry_dask.errors import SkryError
    from skry_dask.pipeline.job_results import OneStack
    from skry_dask.pipeline.progress import Progress

OVER, BESIDE = "over each other", "beside each other"

PICTURES = 40
"""Number of pictures of the growing stack."""

PLAY_MS = 250
"""How long a picture of the growing stack is seen."""

AS_CHOSEN = "as chosen"
"""Title of the stack of the newest job."""

WRAPPED = {"flex-wrap": "wrap", "align-items": "end"}
"""Style of a row that continues below where a window is narrow."""

GALLERY_CSS = """
div.stacks { display: grid; gap: 8px; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); }
figure { margin: 0; } img { width: 100%; image-rendering: pixelated; background: #000; }
"""


class StacksTab(Tab):
    """Compares stacks of several percentages, and plays how the stack grows."""

    title = "Stacks"

    def __init__(self, session: ViewSession) -> None:
        super().__init__(session)
        self._background = Background()
        self._stop = threading.Event()
        self._images: dict[str, str] = {}
        self._percent: dict[str, float | None] = {}
        self._pictures: list[tuple[str, str]] = []
        self.percentages = pn.widgets.TextInput(label="Percentages", value="5, 15, 30", width=180)
        self.stack = pn.widgets.Button(label="Stack these", color="primary")
        self.cancel = pn.widgets.Button(label="Cancel", disabled=True)
        self.how = pn.widgets.RadioButtonGroup(
            label="Arrangement", options=[OVER, BESIDE], value=OVER
        )
        self.take = pn.widgets.Button(label="Choose the right one", visible=False)
        self.order = pn.widgets.RadioButtonGroup(
            label="Order of frames",
            options={"in time": FrameOrder.TIME, "best first": FrameOrder.QUALITY},
            value=FrameOrder.TIME,
        )
        self.grow = pn.widgets.Button(label="Show how the stack grows")
        self.words = pn.pane.HTML("", sizing_mode="stretch_width", margin=(4, 10))
        self.comparison = ImageComparison(
            sizing_mode="stretch_width", margin=(4, 10), visible=False
        )
        self.gallery = pn.pane.HTML(
            "", sizing_mode="stretch_width", visible=False, stylesheets=[GALLERY_CSS]
        )
        self.player = pn.widgets.Player(
            label="Picture",
            start=0,
            end=1,
            value=0,
            interval=PLAY_MS,
            loop_policy="loop",
            show_loop_controls=False,
        )
        self.picture = pn.pane.HTML("", sizing_mode="stretch_width", stylesheets=[PICTURE_CSS])
        self._film = pn.Column(
            self.player, self.picture, visible=False, sizing_mode="stretch_width"
        )
        self.stack.on_click(lambda _: self._stack())
        self.grow.on_click(lambda _: self._grow())
        self.cancel.on_click(lambda _: self._stop.set())
        self.take.on_click(lambda _: self._choose())
        self.how.param.watch(lambda _: self._arrange(), "value")
        self.player.param.watch(lambda _: self._show_picture(), "value")

    def view(self) -> pn.viewable.Viewable:
        """Build the tab."""
        help_ = (
            "Keys: b blinks; ← → step through the pictures of the growing stack. On the image: "
            "arrows move the slider, + and - zoom, 0 fits."
        )
        return pn.Column(
            pn.Row(self.percentages, self.stack, self.how, self.take, styles=WRAPPED),
            pn.Row(self.grow, self.order, self.cancel, styles=WRAPPED),
            self.words,
            self.told,
            self.comparison,
            self.gallery,
            self._film,
            pn.pane.HTML(f"<small>{help_}</small>", margin=(0, 10)),
            sizing_mode="stretch_width",
        )

    def on_key(self, key: str) -> None:
        """Blink, or step through pictures."""
        if key == "b" and self.comparison.visible:
            self.comparison.blinking = not self.comparison.blinking
        elif key in ("ArrowLeft", "ArrowRight") and self._pictures:
            step = 1 if key == "ArrowRight" else -1
            self.player.value = (self.player.value + step) % len(self._pictures)

    # --- several percentages ---------------------------------------------------------------------

    def _stack(self) -> None:
        """Stack the percentages in the background."""
        session, percentages = self.session, self.percentages.value
        others = session.shown.stacks

        def work() -> list[OneStack]:
            made = stack_percentages(session.request(), percentages, self._progress)
            known = {one.percent for one in made}
            found = [*made, *(one for one in others if one.percent not in known)]
            return sorted(found, key=lambda one: one.percent or math.inf)

        self._begin(work, self._compare)

    def _compare(self, stacks: list[OneStack]) -> None:
        """Show stacks on one scale of brightness."""
        white = max(white_of(one.data["stack"].to_numpy()) for one in stacks)
        sizes = {one.data["stack"].shape for one in stacks}
        shown = stacks if len(sizes) == 1 else stacks[:1]
        self._images, self._percent = {}, {}
        for one in shown:
            name = AS_CHOSEN if one.percent is None else f"{one.percent:g} %"
            title = f"{name}: {one.averaged['mean']:g} frames per pixel"
            picture = self.session.frames.picture(one.data["stack"].to_numpy(), white)
            self._images[title], self._percent[title] = picture, one.percent
        self._end(f"{len(self._images)} stacks, from one pass over the frames.")
        self.take.visible = True
        self._arrange()

    def _arrange(self) -> None:
        """Show stacks over each other or beside each other."""
        over = self.how.value == OVER
        self.comparison.visible = over and bool(self._images)
        self.gallery.visible = not over and bool(self._images)
        if not self._images:
            return
        if over:
            self.comparison.show(self._images)
        else:
            figures = "".join(
                f'<figure><img alt="{escape(title)}" src="{picture}">'
                f"<figcaption>{escape(title)}</figcaption></figure>"
                for title, picture in self._images.items()
            )
            self.gallery.object = f'<div class="stacks">{figures}</div>'

    def _choose(self) -> None:
        """Make the percentage of the right image an option of the job."""
        percent = self._percent.get(self.comparison.right)
        if percent is None:
            self.words.object = "That is what is chosen already."
        elif self.attempt(lambda: self.session.choices.change(percent=percent)):
            self.words.object = f"The next job stacks {percent:g} %."

    # --- the growing stack -----------------------------------------------------------------------

    def _grow(self) -> None:
        """Draw pictures of the growing stack in the background, and show each as it comes."""
        session, order = self.session, self.order.value
        options = AnimationOptions(pictures=PICTURES, order=order)
        self._pictures, self._film.visible = [], False

        def work() -> int:
            n = 0
            for picture, words in growing_pictures(session.shown, options, self._progress):
                shown = session.frames.picture(picture, 1.0), words
                self._background.tell(self._add_picture, shown)
                n += 1
            return n

        self._begin(work, lambda n: self._end(f"{n} pictures of how the stack grows."))

    def _add_picture(self, picture: tuple[str, str]) -> None:
        self._pictures.append(picture)
        self.player.end = max(len(self._pictures) - 1, 1)
        self._film.visible = True
        if len(self._pictures) == 1:
            self.player.value = 0
            self._show_picture()

    def _show_picture(self) -> None:
        if not self._pictures:
            return
        picture, words = self._pictures[min(self.player.value, len(self._pictures) - 1)]
        self.picture.object = (
            f'<img id="growing" style="max-width:100%" alt="{escape(words)}" src="{picture}">'
            f"<div>{escape(words)}</div>"
        )

    # --- what is going on ------------------------------------------------------------------------

    def _begin(self, work: Callable[[], object], then: Callable[..., None]) -> None:
        self._stop.clear()
        self.told.visible = False
        for button in (self.stack, self.grow):
            button.disabled = True
        self.cancel.disabled = False
        self.words.object = "Working…"
        self._background.submit(work, then, self._fail)

    def _progress(self, progress: Progress) -> None:
        """Show how far the work is; end it when it has been cancelled."""
        if self._stop.is_set():
            raise CancelledError("cancelled")
        name = progress.phase.replace("_", " ")
        words = f"{name}: {progress.done} of {progress.total or '?'}"
        self._background.tell(lambda text: setattr(self.words, "object", text), words)

    def _end(self, words: str) -> None:
        self.words.object = words
        for button in (self.stack, self.grow):
            button.disabled = False
        self.cancel.disabled = True

    def _fail(self, error: SkryError) -> None:
        cancelled = isinstance(error, CancelledError)
        self._end("Cancelled." if cancelled else "")
        self.told.object, self.told.visible = str(error), not cancelled
