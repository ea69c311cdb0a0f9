"""What all widgets have in common: a still picture where no kernel runs."""

from __future__ import annotations

from html import escape
from typing import Any

import anywidget

WIDGETS = "skry_dask.widgets"
"""Package with the files of widgets."""


class Widget(anywidget.AnyWidget):
    """A widget that shows a still picture where no kernel runs."""

    def stills(self) -> dict[str, str]:
        """Return pictures as data URIs, by what they show."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        """Show still pictures beside each other."""
        figures = "".join(
            f'<figure style="margin:0"><img alt="{escape(title)}" src="{uri}">'
            f"<figcaption>{escape(title)}</figcaption></figure>"
            for title, uri in self.stills().items()
        )
        return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{figures}</div>'

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Represent the widget for notebooks, and for pages that are made of them."""
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = self._repr_html_()
        return bundle
