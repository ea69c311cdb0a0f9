"""Which fragments are stacked: sliders, and what they mean in frames and fragments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import panel as pn

from skry_dask.errors import SkryError
from skry_dask.options import Choose
from skry_dask.view.signals import Topic

if TYPE_CHECKING:
    from skry_dask.view.pages.tab import Tab

AUTO = "automatic"
CHOICES = {
    AUTO: None,
    "fragments": Choose.FRAGMENTS,
    "whole frames": Choose.FRAMES,
    "all, by weight": Choose.WEIGHTS,
}
"""What is chosen, in words."""

CRITERIA = {
    "no criterion": None,
    "best percent": "percent",
    "best number": "number",
    "least quality": "min_quality",
}
"""Options that are criteria, in words."""


class CriteriaSliders:
    """Sets the options of a stack by sliders.

    Parameters
    ----------
    tab
        On which they are.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab, self._session = tab, tab.session
        n_frames = len(self._session.numbers)
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "max_width": 500}
        self.choose = pn.widgets.Select(label="Choose", options=list(CHOICES), width=150)
        self.criterion = pn.widgets.Select(label="by", options=list(CRITERIA), width=150)
        self.sliders = {
            "percent": pn.widgets.FloatSlider(
                label="Best percent of frames", start=0.5, end=100, step=0.5, value=30, **wide
            ),
            "number": pn.widgets.IntSlider(
                label="Best frames",
                start=1,
                end=max(n_frames, 2),
                value=max(n_frames // 3, 1),
                **wide,
            ),
            "min_quality": pn.widgets.FloatSlider(
                label="Least quality, 0 worst, 1 best", start=0, end=1, step=0.01, value=0.5, **wide
            ),
        }
        self.quick = pn.widgets.Checkbox(label="quick: without the second pass", margin=(28, 10))
        self.words = pn.pane.HTML("", margin=(5, 10), sizing_mode="stretch_width")
        self._shows = False
        # Each changes what it shows: several percentages, of which sliders show one, stay.
        self.choose.param.watch(lambda _: self._set(choose=CHOICES[self.choose.value]), "value")
        self.quick.param.watch(lambda _: self._set(quick=self.quick.value), "value")
        self.criterion.param.watch(lambda _: self._set(**self._criterion()), "value")
        for slider in self.sliders.values():
            slider.param.watch(lambda _: self._set(**self._criterion()), "value_throttled")
        for topic in (Topic.OPTIONS, Topic.RESULTS):
            tab.follow(topic, self.show)
        self.show()

    def view(self) -> pn.viewable.Viewable:
        """Build what is shown."""
        return pn.Column(
            pn.FlexBox(self.choose, self.criterion, self.quick),
            *self.sliders.values(),
            self.words,
            sizing_mode="stretch_width",
        )

    def show(self) -> None:
        """Show the options as they are."""
        options = self._session.options.stack.of_each[-1]
        self._shows = True
        self.quick.value = self._session.options.refine.quick
        self.choose.value = next(word for word, c in CHOICES.items() if c == options.choose)
        given, value = next(iter(options.criteria.items()), (None, None))
        self.criterion.value = next(word for word, name in CRITERIA.items() if name == given)
        for name, slider in self.sliders.items():
            slider.visible = name == given
            if name == given:
                slider.value = value
        self._shows = False
        self.words.object = self._count()

    def _count(self) -> str:
        try:
            taken = self._session.taken()
        except SkryError as error:
            return str(error)
        if taken is None:
            return "Run the job up to its reference points to see how many fragments this means."
        return (
            f"<b id='taken'>{taken.frames} of {taken.of_frames} frames, {taken.fragments} of "
            f"{taken.of_fragments} fragments</b>"
        )

    def _criterion(self) -> dict[str, Any]:
        name = CRITERIA[self.criterion.value]
        values = {} if name is None else {name: self.sliders[name].value}
        return {**dict.fromkeys(self.sliders), **values}

    def _set(self, **changes: Any) -> None:
        if self._shows:
            return
        self._tab.attempt(lambda: self._session.choices.change(**changes))
        self.show()
