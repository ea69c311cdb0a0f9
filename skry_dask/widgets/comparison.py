"""Images of one size over each other, with a slider, blink and zoom to single pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from skry_dask.errors import OptionsError
from skry_dask.reporting.modules import static_text
from skry_dask.widgets.base import WIDGETS, Widget
from skry_dask.widgets.pictures import to_png, to_still, white_level

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skry_dask.types import AnyArray


class Comparison(Widget):
    """Two of several images over each other: see `compare_images`.

    Parameters
    ----------
    images
        (y, x) or (y, x, channel) each, by title.

    Attributes
    ----------
    left, right
        Titles of the two images that are shown.
    split
        Where the right one begins, % of the width.
    blinking
        Whether they are shown in turn, not beside each other.
    """

    _esm = static_text("picture.js", "comparison.js") + static_text(
        "comparison_widget.js", package=WIDGETS
    )
    _css = static_text("picture.css", "comparison.css")

    images = traitlets.List(traitlets.Dict()).tag(sync=True)
    left = traitlets.Unicode().tag(sync=True)
    right = traitlets.Unicode().tag(sync=True)
    split = traitlets.Float(50.0, min=0.0, max=100.0).tag(sync=True)
    blinking = traitlets.Bool(False).tag(sync=True)

    def __init__(self, images: Mapping[str, Any], **traits: Any) -> None:
        shown = {title: np.asarray(image) for title, image in images.items()}
        _check(shown)
        white = max(white_level(image) for image in shown.values())
        titles = list(shown)
        self._stills = {title: to_still(image, white) for title, image in shown.items()}
        super().__init__(
            images=[
                {"title": title, "png": to_png(image, white)} for title, image in shown.items()
            ],
            **{"left": titles[0], "right": titles[-1], **traits},
        )

    @traitlets.validate("left", "right")
    def _is_title(self, proposal: Any) -> str:
        titles = [image["title"] for image in self.images]
        if proposal["value"] not in titles:
            raise traitlets.TraitError(
                f"{proposal['trait'].name} is {proposal['value']!r}: it must be one of "
                f"{', '.join(titles)}"
            )
        return str(proposal["value"])

    def stills(self) -> dict[str, str]:
        """Return pictures of all images."""
        return self._stills


def _check(images: Mapping[str, AnyArray]) -> None:
    if len(images) < 2:
        raise OptionsError(f"images has {len(images)} of them: give two or more, by title")
    sizes = {title: image.shape[:2] for title, image in images.items()}
    flat = all(image.ndim == 2 or image.shape[2:] == (3,) for image in images.values())
    if not flat or len(set(sizes.values())) > 1:
        listed = ", ".join(f"{title} {image.shape}" for title, image in images.items())
        raise OptionsError(
            f"images have the shapes {listed}: they must be (y, x) or (y, x, 3), of one size"
        )
