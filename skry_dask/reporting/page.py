"""The page: pictures, charts and figures of a job as one HTML file without links to elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from skry_dask.errors import SkryError
from skry_dask.reporting.modules import static_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from skry_dask.reporting.charts import Chart
    from skry_dask.reporting.pictures import Picture

TEMPLATE = "page.html.jinja"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a report shows.

    Parameters
    ----------
    title
        Name of the capture.
    figures
        Name and value of the main figures, in their order.
    notes
        What the program noticed, and what it proposes.
    pictures
        The stack first, then what it is compared with; of one size.
    charts
        See `charts`.
    left_out
        Why frames are not stacked: reason, and their numbers as text.
    timings
        A row for each phase: name, status, seconds, frames per second, digest.
    options
        Options by the phase that they belong to.
    versions
        Name and version of what computed the job.
    """

    title: str
    figures: Mapping[str, str]
    notes: Sequence[str]
    pictures: Sequence[Picture]
    charts: Sequence[Chart]
    left_out: Mapping[str, str]
    timings: Sequence[Sequence[str]]
    options: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, str]

    def render(self) -> str:
        """Make the HTML.

        Raises
        ------
        SkryError
            If jinja2 is not installed.
        """
        try:
            from jinja2 import Environment
        except ImportError as error:
            raise SkryError(
                "a report needs jinja2, which is not installed: pip install 'skry_dask[report]'"
            ) from error
        # What comes from files (names, attributes) is escaped; only our own SVG is not.
        text = files("skry_dask.reporting").joinpath(TEMPLATE).read_text(encoding="utf-8")
        environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        template = environment.from_string(text)
        return template.render(page=self, comparison=self._comparison, static_text=static_text)

    @property
    def _comparison(self) -> dict[str, Any]:
        """What the comparison shows at first: see ``comparison.js``."""
        images = [{"title": p.title, "alt": p.alt, "url": p.uri} for p in self.pictures]
        first, second = self.pictures[0], self.pictures[min(1, len(self.pictures) - 1)]
        return {"images": images, "left": second.title, "right": first.title}
