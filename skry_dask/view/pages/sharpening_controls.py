"""Sliders of the methods of sharpening, and the options that they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import panel as pn

from skry_dask.options.sharpening import SharpenMethod, SharpenOptions
from skry_dask.options.tone import ToneOptions

if TYPE_CHECKING:
    from collections.abc import Callable


class Knob(NamedTuple):
    """A slider.

    Parameters
    ----------
    option
        Name of the option.
    label
        Words beside it.
    end, step
        The largest value, and the distance between values.
    start
        The smallest value.
    of
        Place in the option, where that is a list.
    """

    option: str
    label: str
    end: float
    step: float
    start: float = 0.0
    of: int | None = None


SIGMA = Knob("sigma", "blur that is undone (sigma), px", 6.0, 0.1, 0.3)

SIZES = (1, 2, 4, 8, 16, 32)
"""Detail of the wavelet layers, px."""

KNOBS: dict[str, tuple[Knob, ...]] = {
    SharpenMethod.AUTO: (),
    SharpenMethod.WAVELETS: (
        *(Knob("gains", f"gain, {n} px", 8.0, 0.1, of=i) for i, n in enumerate(SIZES)),
        *(
            Knob("thresholds", f"noise left out, {n} px", 6.0, 0.1, of=i)
            for i, n in enumerate(SIZES[:3])
        ),
    ),
    SharpenMethod.RICHARDSON_LUCY: (
        SIGMA,
        Knob("iterations", "iterations", 100, 1, 1),
        Knob("regularisation", "smoothness", 0.02, 0.0005),
    ),
    SharpenMethod.WIENER: (SIGMA, Knob("noise", "noise over detail", 0.5, 0.005, 0.005)),
    SharpenMethod.UNSHARP: (
        Knob("radii", "radius, px", 10.0, 0.1, 0.3, 0),
        Knob("amounts", "amount", 10.0, 0.1, of=0),
        Knob("dark_amounts", "amount in the dark", 10.0, 0.1, of=0),
        Knob("brightness", "dark below", 1.0, 0.01),
    ),
}
"""Sliders by method."""

OVERSHOOT = Knob("overshoot", "brighter limbs, at most", 1.0, 0.01)
GAMMA = Knob("gamma", "gamma", 3.0, 0.05, 0.3)
SATURATION = Knob("saturation", "saturation", 3.0, 0.05)

WHOLE = frozenset({"iterations"})
"""Options that are whole numbers."""


class SharpeningControls:
    """A choice of the method, and its sliders.

    Parameters
    ----------
    on_change
        Called when a slider is moved.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self.method = pn.widgets.Select(
            label="Method", options=[str(method) for method in KNOBS], value="auto", width=280
        )
        self.sliders: dict[Knob, Any] = {}
        self._column = pn.Column(width=300)
        self._tone = [self._slider(knob, 1.0) for knob in (GAMMA, SATURATION)]
        self._limit = self._slider(OVERSHOOT, SharpenOptions().overshoot)
        self.method.param.watch(lambda _: self._choose(), "value")
        self._choose(tell=False)

    def view(self) -> pn.viewable.Viewable:
        """Build the sliders."""
        return pn.Column(self.method, self._column, self._limit, *self._tone, width=310)

    def _slider(self, knob: Knob, value: float) -> Any:
        kind = pn.widgets.IntSlider if knob.option in WHOLE else pn.widgets.FloatSlider
        slider = kind(
            label=knob.label,
            start=knob.start,
            end=max(knob.end, value),
            step=knob.step,
            value=value,
            width=280,
        )
        slider.param.watch(lambda _: self._on_change(), "value")
        self.sliders[knob] = slider
        return slider

    def _choose(self, *, tell: bool = True) -> None:
        """Show the sliders of a method, at its defaults."""
        defaults = SharpenOptions(method=SharpenMethod(self.method.value))
        for knob in [knob for knob in self.sliders if knob not in (GAMMA, SATURATION, OVERSHOOT)]:
            del self.sliders[knob]
        column = []
        for knob in KNOBS[self.method.value]:
            value = getattr(defaults, knob.option)
            column.append(self._slider(knob, value if knob.of is None else value[knob.of]))
        self._column.objects = column
        if tell:
            self._on_change()

    @property
    def options(self) -> SharpenOptions:
        """What the sliders mean."""
        method = SharpenMethod(self.method.value)
        defaults = SharpenOptions(method=method)
        values: dict[str, Any] = {}
        for knob in (*KNOBS[method], OVERSHOOT):
            value = self.sliders[knob].value
            if knob.of is not None:
                of_all = list(values.get(knob.option, getattr(defaults, knob.option)))
                of_all[knob.of] = value
                value = tuple(of_all)
            values[knob.option] = value
        return SharpenOptions(method=method, **values)

    @property
    def tone(self) -> ToneOptions:
        """What is done to the tone at the end."""
        values = {knob.option: self.sliders[knob].value for knob in (GAMMA, SATURATION)}
        return ToneOptions(**values)
