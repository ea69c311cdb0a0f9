"""The job: criteria, running and cancelling, the stack, saving."""

from __future__ import annotations

from html import escape
from pathlib import Path

import panel as pn

from skry_dask.reporting.pictures import white_of
from skry_dask.view.pages.criteria import CriteriaSliders
from skry_dask.view.pages.style import PICTURE_CSS
from skry_dask.view.pages.tab import Tab
from skry_dask.view.session import ViewSession  # noqa: TC001 Panel reads annotations
from skry_dask.view.signals import Topic

UP_TO = {
    "the whole job": "stack",
    "up to alignment": "align",
    "up to quality": "quality",
    "up to reference points": "track",
}
"""How far the job is run, in words."""


class RunTab(Tab):
    """Runs the job, shows the stack, and saves it and the options."""

    title = "Run"

    def __init__(self, session: ViewSession) -> None:
        super().__init__(session)
        self.criteria = CriteriaSliders(self)
        self.up_to = pn.widgets.Select(label="Run", options=list(UP_TO), width=200)
        self.run = pn.widgets.Button(label="Run", color="primary", margin=(22, 5))
        self.cancel = pn.widgets.Button(label="Cancel", disabled=True, margin=(22, 5))
        self.bar = pn.indicators.Progress(
            value=0, max=100, sizing_mode="stretch_width", max_width=500, visible=False
        )
        self.state = pn.pane.HTML("", margin=(5, 10), sizing_mode="stretch_width")
        self.image = pn.widgets.TextInput(label="Image", value=session.image_name, width=300)
        stem = Path(session.image_name).stem.removesuffix("-stack")
        self.file = pn.widgets.TextInput(label="Options", value=f"{stem}.toml", width=300)
        self.saved = pn.pane.HTML("", margin=(5, 10), sizing_mode="stretch_width")
        self.picture = pn.pane.HTML(
            "", sizing_mode="stretch_width", stylesheets=[PICTURE_CSS], margin=(5, 10)
        )
        self.run.on_click(lambda _: self.attempt(lambda: session.run(UP_TO[self.up_to.value])))
        self.cancel.on_click(lambda _: session.cancel())
        self.follow(Topic.RUN, self._show_state)
        self.follow(Topic.RESULTS, self._show_stack)
        self.follow(Topic.OPTIONS, self._show_state)
        self._show_state()
        self._show_stack()

    def view(self) -> pn.viewable.Viewable:
        """Build the tab."""
        save_image = pn.widgets.Button(label="Save image", margin=(22, 5))
        save_options = pn.widgets.Button(label="Save options", margin=(22, 5))
        load_options = pn.widgets.Button(label="Load options", margin=(22, 5))
        save_image.on_click(lambda _: self._save_image())
        save_options.on_click(lambda _: self._save_options())
        load_options.on_click(lambda _: self._load_options())
        return pn.Column(
            self.criteria.view(),
            pn.FlexBox(self.up_to, self.run, self.cancel),
            self.bar,
            self.state,
            self.told,
            self.picture,
            pn.FlexBox(self.image, save_image),
            pn.FlexBox(self.file, save_options, load_options),
            self.saved,
            sizing_mode="stretch_width",
        )

    def _show_state(self) -> None:
        state = self.session.state
        self.run.disabled, self.cancel.disabled = state.running, not state.running
        self.bar.visible = state.running
        self.bar.value = round(100 * state.done / state.total) if state.total else -1
        done = ", ".join(f"{name.replace('_', ' ')} {how}" for name, how in state.finished)
        if state.running and state.cancelled:
            words = "ending"
        elif state.running:
            words = f"{state.phase.replace('_', ' ') or 'beginning'}, {state.seconds:.1f} s"
        elif state.error is not None:
            words = f"failed: {state.error}"
        elif state.cancelled:
            words = "cancelled: the next run continues from what is finished"
        elif state.finished:
            words = f"done in {state.seconds:.1f} s"
        else:
            words = "not run yet"
        written = (state.summary or {}).get("output")
        if written and not state.running:
            words += f"; {written} is written"
        if not state.running and state.finished and not self.session.is_current:
            words += "; options have changed since: run it again"
        self.state.object = (
            f"<span id='state' role='status'><b>{escape(words)}</b> {escape(done)}</span>"
        )

    def _show_stack(self) -> None:
        stacked = self.session.shown.stacked
        if stacked is None:
            return
        image = stacked["stack"].to_numpy()
        height, width = image.shape[:2]
        n_frames = int((stacked["fragments"] > 0).sum())
        self.picture.object = (
            f'<img id="stack" alt="The stack of {n_frames} frames, {width} x {height} px" '
            f'style="width:min(100%, {2 * width}px, max(240px, 100vh - 330px) * '
            f'{width / height:.4f});aspect-ratio:{width / height:.4f}" '
            f'src="{self.session.frames.picture(image, white_of(image))}">'
        )
        self._show_state()

    def _save_image(self) -> None:
        name = self.image.value.strip()
        if self.attempt(lambda: self.session.save_image(name)):
            self.saved.object = "The image is written when the job is done."

    def _save_options(self) -> None:
        name = self.file.value.strip()
        if self.attempt(lambda: self.session.save_options(name)):
            capture = Path(self.session.name).name
            command = f"skry stack {capture} --options {name}"
            self.saved.object = f"Saved: <code>{escape(command)}</code> does the same job."

    def _load_options(self) -> None:
        name = self.file.value.strip()
        if self.attempt(lambda: self.session.load_options(name)):
            self.saved.object = f"Options are those of {escape(name)} now."
