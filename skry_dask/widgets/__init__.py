"""Widgets for notebooks: images compared, and frames of a capture browsed, in the browser.

What they show is made by Python on request, so a capture is never loaded as a whole. Their ES
modules are files of the package, and load nothing from elsewhere. They need anywidget (the extra
``view``); without it a `SkryError` says what to install. A notebook that is shown without a kernel,
such as on a page, shows a still picture instead.
"""

from skry_dask.widgets.show import browse_frames, compare_images

__all__ = ["browse_frames", "compare_images"]
