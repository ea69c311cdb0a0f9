"""Functions that show widgets; what these need is imported when one is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from skry_dask.errors import OptionsError, SkryError
from skry_dask.graph.phase_inputs import Given, check_inputs
from skry_dask.options.given import article

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.widgets.comparison import Comparison
    from skry_dask.widgets.frame_browser import FrameBrowser


def compare_images(images: Mapping[str, Any]) -> Comparison:
    """Compare images in a notebook: two over each other, with slider, blink and zoom.

    Parameters
    ----------
    images
        (y, x) or (y, x, channel) each, red, green, blue, arrays or DataArrays of one size, by
        title; all on the scale of brightness of the brightest.

    Returns
    -------
    Comparison
        The widget. Keys, when it has the focus: left and right move the slider, B blinks, + and -
        zoom, 0 fits, Shift with arrows moves the images.

    Raises
    ------
    OptionsError
        If there are fewer than two images, or they differ in size.
    SkryError
        If anywidget is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import skry_dask as skry
    >>> sharp, soft = np.eye(8), np.full((8, 8), 0.125)
    >>> widget = skry.compare_images({"sharp": sharp, "soft": soft})
    >>> widget.left, widget.right
    ('sharp', 'soft')
    """
    _require_anywidget()
    if not isinstance(images, Mapping):
        raise OptionsError(
            f"images of compare_images are {article(images)}: give a dict, each by its title, such "
            'as {"stack": result["stack"]}'
        )
    from skry_dask.widgets.comparison import Comparison

    return Comparison(images)


def browse_frames(
    capture: xr.Dataset, alignment: xr.Dataset | None = None, quality: xr.Dataset | None = None
) -> FrameBrowser:
    """Browse the frames of a capture in a notebook, one at a time; each is read when it is shown.

    Parameters
    ----------
    capture
        From `open_capture`.
    alignment
        From `align`: frames can be shown stabilised, and the reason is told why one is not used.
    quality
        From `estimate_quality`: frames can be put in the order of their quality, which is drawn.

    Returns
    -------
    FrameBrowser
        The widget. Keys, when it has the focus: left and right step, Home and End go to the first
        and last frame, space plays.

    Raises
    ------
    OptionsError
        If the capture has no frames, or results are of other frames.
    SkryError
        If anywidget is not installed.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("moon", frames=4, height=160, width=200)
    >>> browser = skry.browse_frames(capture)
    >>> browser.position = 2
    >>> browser.frame
    2
    """
    _require_anywidget()
    given = []
    if alignment is not None:
        given.append(Given("alignment", alignment, ("offset", "active", "reason")))
    if quality is not None:
        given.append(Given("quality", quality, ("frame_quality",)))
    check_inputs("browse_frames", capture, *given)
    from skry_dask.widgets.frame_browser import FrameBrowser

    return FrameBrowser(capture, alignment, quality)


def _require_anywidget() -> None:
    try:
        import anywidget  # noqa: F401
    except ImportError as error:
        raise SkryError(
            "widgets need anywidget, which is not installed: pip install 'skry_dask[view]'"
        ) from error
