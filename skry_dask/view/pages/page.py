"""The page: its head, and the tabs."""

from __future__ import annotations

import warnings
from html import escape

import panel as pn
from bokeh.util.warnings import BokehUserWarning

from skry_dask.view.pages.keys import Keys
from skry_dask.view.pages.style import CSS
from skry_dask.view.pages.tabs import TABS
from skry_dask.view.session import ViewSession  # noqa: TC001 Panel reads annotations

pn.extension(raw_css=[CSS])

# The browser describes a button of a tab that has just been opened anew with its first click.
warnings.filterwarnings("ignore", "reference already known", BokehUserWarning)


def page_of(session: ViewSession) -> pn.viewable.Viewable:
    """Build the page for one window of a browser.

    Parameters
    ----------
    session
        What it shows.
    """
    tabs = [kind(session) for kind in TABS]
    shown = pn.Tabs(
        *((tab.title, tab.view()) for tab in tabs),
        dynamic=True,
        sizing_mode="stretch_width",
        min_width=300,
    )
    document = pn.state.curdoc

    def switch(_: object = None) -> None:
        for tab in tabs:
            tab.set_shown(tab is tabs[shown.active])

    # Next, when what the tab shows is in the document: what is changed before that would load its
    # style sheets from a server elsewhere.
    shown.param.watch(lambda _: document.add_next_tick_callback(switch), "active")
    switch()
    height, width = session.frames.shape
    head = pn.pane.HTML(
        f"<h1 style='font-size:1.15em;margin:0'>{escape(session.name)}</h1>"
        f"<div>{len(session.numbers)} frames of {width} x {height} px</div>",
        margin=(8, 10),
        sizing_mode="stretch_width",
    )
    note = pn.pane.Alert(session.note or "", alert_type="info", visible=session.note is not None)
    keys = Keys(lambda key: tabs[shown.active].on_key(key), width=0, height=0, margin=0)
    return pn.Column(head, note, shown, keys, sizing_mode="stretch_width")
