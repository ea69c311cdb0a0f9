"""The tabs of the page, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skry_dask.view.pages.frames import FramesTab
from skry_dask.view.pages.quality import QualityTab
from skry_dask.view.pages.reference import ReferenceTab
from skry_dask.view.pages.run import RunTab
from skry_dask.view.pages.sharpening import SharpenTab
from skry_dask.view.pages.stacks import StacksTab

if TYPE_CHECKING:
    from skry_dask.view.pages.tab import Tab

TABS: tuple[type[Tab], ...] = (
    FramesTab,
    QualityTab,
    ReferenceTab,
    RunTab,
    StacksTab,
    SharpenTab,
)
"""Each is made with the session, and builds what it shows."""
