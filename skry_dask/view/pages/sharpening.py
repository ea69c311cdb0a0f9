"""Sharpening with sliders: live on a crop of the stack, then on all of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import panel as pn

from skry_dask.pipeline.job_record import read_record
from skry_dask.pipeline.options_file import write_options
from skry_dask.pipeline.sharpened import sharpened_name
from skry_dask.reporting.pictures import white_of
from skry_dask.store.results.reading import open_results
from skry_dask.view.pages.background import Background
from skry_dask.view.pages.images import CropChoice, ImageComparison
from skry_dask.view.pages.sharpening_controls import SharpeningControls
from skry_dask.view.pages.tab import Tab
from skry_dask.view.session import ViewSession  # noqa: TC001 Panel reads annotations
from skry_dask.view.sharpening import SharpenTrial
from skry_dask.view.signals import Topic

if TYPE_CHECKING:
    from skry_dask.errors import SkryError
    from skry_dask.types import Float32Array

CROP, WHOLE = "crop", "whole image"
SIZES_PX = (128, 256, 512)
"""Sides of a crop."""

BEFORE, AFTER = "stack", "sharpened"

OVERVIEW_PX = 280
"""Width of the picture on which the crop is chosen, px."""

NO_STACK = "There is no stack yet: run the job first."


class SharpenTab(Tab):
    """Tries methods of sharpening on a crop, and writes the image and the options."""

    title = "Sharpen"

    def __init__(self, session: ViewSession) -> None:
        super().__init__(session)
        self.trial: SharpenTrial | None = None
        self._digest: str | None = None
        self._white = 1.0
        self._background, self._saving = Background(), Background()  # no crop replaces a save
        self.words = pn.pane.HTML(NO_STACK, sizing_mode="stretch_width", margin=(4, 10))
        self.controls = SharpeningControls(self._show)
        self.size = pn.widgets.RadioButtonGroup(
            label="Side of the crop", options={f"{n} px": n for n in SIZES_PX}, value=256
        )
        self.crop = CropChoice(width=OVERVIEW_PX, margin=(6, 10))
        self.comparison = ImageComparison(sizing_mode="stretch_width", margin=(4, 10))
        self.apply = pn.widgets.Button(label="Apply to all", color="primary")
        self.image_name = pn.widgets.TextInput(label="Image", width=280)
        self.options_name = pn.widgets.TextInput(label="Options", width=280)
        self.save = pn.widgets.Button(label="Save image and options")
        self._body = pn.FlexBox(visible=False, sizing_mode="stretch_width")
        self.size.param.watch(lambda _: self._place(), "value")
        self.crop.param.watch(lambda _: self._show(), ["across", "down"])
        self.apply.on_click(lambda _: self._show(WHOLE))
        self.save.on_click(lambda _: self._save())
        self.follow(Topic.RESULTS, self._take)
        self.follow(Topic.RUN, self._take)
        self._take()

    def view(self) -> pn.viewable.Viewable:
        """Build the tab."""
        help_ = "Keys: b blinks. On the image: arrows move the slider, + and - zoom, 0 fits."
        left = pn.Column(
            self.crop,
            self.size,
            self.controls.view(),
            self.apply,
            self.image_name,
            self.options_name,
            self.save,
            width=320,
        )
        right = pn.Column(
            self.comparison,
            pn.pane.HTML(f"<small>{help_}</small>", margin=(0, 10)),
            sizing_mode="stretch_width",
            styles={"flex": "1 1 320px"},
        )
        self._body.objects = [left, right]
        return pn.Column(self.words, self.told, self._body, sizing_mode="stretch_width")

    def on_key(self, key: str) -> None:
        """Blink."""
        if key == "b" and self.trial is not None:
            self.comparison.blinking = not self.comparison.blinking

    def _take(self) -> None:
        """Take the stack of the newest job, once that is done and its record is there."""
        stacked, state = self.session.shown.stacked, self.session.state
        if stacked is None or state.summary is None:
            return
        digest = state.summary["phases"]["stack"]["digest"]
        if digest == self._digest:
            return
        self._digest = digest

        def take() -> None:
            record = read_record(open_results(str(self.session.store)), digest)
            self.trial = SharpenTrial(stacked, record.about)

        if self.attempt(take) and self.trial is not None:
            self._begin(self.trial)

    def _begin(self, trial: SharpenTrial) -> None:
        """Show a stack that is to be sharpened."""
        self._white = white_of(trial.image)
        height, width = trial.image.shape[:2]
        image = Path(self.session.image_name)
        sharpened = sharpened_name(image)
        self.image_name.value = sharpened
        self.options_name.value = f"{Path(sharpened).stem}.toml"
        self.crop.url = self._picture(trial.image)
        self.words.object = f"The stack, {width} x {height} px, and what sharpening makes of it."
        self._body.visible = True
        self._place()

    def _place(self) -> None:
        """Fit the crop to the image, and show it."""
        if self.trial is None:
            return
        height, width = self.trial.image.shape[:2]
        self.crop.param.update(
            width_share=min(self.size.value / width, 1.0),
            height_share=min(self.size.value / height, 1.0),
        )
        self._show()

    def _window(self, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns of the crop in an image of this size."""
        window = []
        for n, centre in ((height, self.crop.down), (width, self.crop.across)):
            side = min(self.size.value, n)
            first = int(np.clip(round(centre * n - side / 2), 0, n - side))
            window.append(slice(first, first + side))
        return window[0], window[1]

    def _show(self, what: str = CROP) -> None:
        """Sharpen the crop, or the whole image, in the background, and show it."""
        trial = self.trial
        if trial is None:
            return
        options, tone = self.controls.options, self.controls.tone
        rows, columns = self._window(*trial.image.shape[:2])

        def work() -> dict[str, str]:
            if what == WHOLE:
                before, after = trial.image, trial.whole(options, tone)
            else:
                before = trial.image[rows, columns]
                after = trial.crop(options, tone, rows, columns)
            return {BEFORE: self._picture(before), AFTER: self._picture(after)}

        def then(pictures: dict[str, str]) -> None:
            self.told.visible = False
            self.comparison.show(pictures)

        self._background.submit(work, then, self._fail)

    def _picture(self, image: Float32Array) -> str:
        return self.session.frames.picture(image, self._white)

    def _save(self) -> None:
        """Write the image and the options in the background."""
        trial, session = self.trial, self.session
        if trial is None:
            return
        options, tone = self.controls.options, self.controls.tone
        names = self.image_name.value, self.options_name.value

        def work() -> str:
            image, file = (session.folders.place(name) for name in names)
            stack = session.folders.place(session.image_name)
            trial.save(image, options, tone, stack=stack, capture=session.given)
            write_options(file, options, tone)
            return f"{image.name} and {file.name} are saved in {image.parent}."

        def then(words: str) -> None:
            self.told.visible = False
            self.words.object = words

        self._saving.submit(work, then, self._fail)

    def _fail(self, error: SkryError) -> None:
        self.told.object, self.told.visible = str(error), True
