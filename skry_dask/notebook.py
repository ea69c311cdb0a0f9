"""Progress in a notebook: a row with a bar for each step, by IPython's own display.

It needs no widgets, so it shows in every frontend, and stays in a notebook that is saved.
"""

from __future__ import annotations

import contextlib
import contextvars
import html
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    Decoded: TypeAlias = Callable[[int, int | None], None]

SHOWN_EVERY_SECONDS = 0.1
"""Least time between two updates of the display, s."""


LEAST_SECONDS = 0.05
"""Least time from which frames a second are told, s."""


def notebook_display() -> Callable[..., Any] | None:
    """Return ``IPython.display.display`` in a notebook; None anywhere else."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if getattr(shell, "kernel", None) is None:  # the shell of a terminal has none
        return None
    from IPython.display import display

    return display


@contextlib.contextmanager
def decoding_shown(report: Decoded | None) -> Iterator[Decoded | None]:
    """Show a bar while frames are decoded in a notebook, unless a caller wants to know itself.

    Parameters
    ----------
    report
        Called with the number of frames that are done, and in all; None: a bar, in a notebook.
    """
    display = notebook_display() if report is None else None
    if display is None:
        yield report
        return
    bars = NotebookProgress(display)
    try:
        yield lambda done, total: bars.report("import", done, total, total)
    finally:
        bars.close()


@dataclass(slots=True)
class _Row:
    """How far a step is."""

    done: int
    total: int | None
    frames: int | None
    began: float
    seconds: float = 0.0

    @property
    def words(self) -> str:
        """What is done, in words: "3 of 10, 120 frames/s"."""
        words = str(self.done) if self.total is None else f"{self.done} of {self.total}"
        if self.frames and self.total and self.done and self.seconds >= LEAST_SECONDS:
            words += f", {self.frames * self.done / self.total / self.seconds:.0f} frames/s"
        return f"{words}, {self.seconds:.1f} s"


@dataclass(slots=True)
class NotebookProgress:
    """Bars in the output of a cell.

    Parameters
    ----------
    display
        As ``IPython.display.display``.
    """

    display: Callable[..., Any]
    _rows: dict[str, _Row] = field(default_factory=dict)
    _handle: Any = None
    _shown: float = 0.0
    _latest: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    # Threads of dask have no context: what they display would belong to no cell.
    _context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def report(self, name: str, done: int, total: int | None, frames: int | None = None) -> None:
        """Note how far a step is; may be called from any thread.

        Parameters
        ----------
        name
            The step, in words.
        done, total
            Number of parts that are done, and in all, or None where that is not known.
        frames
            Number of frames in all, for the frames a second.
        """
        now = time.monotonic()
        with self._lock:
            # Steps report what is done, and nothing when they begin: after the one before.
            row = self._rows.setdefault(name, _Row(done, total, frames, self._latest))
            self._latest = now
            row.done, row.total, row.frames, row.seconds = done, total, frames, now - row.began
            if done == total or now - self._shown >= SHOWN_EVERY_SECONDS:
                self._show(now)

    def close(self) -> None:
        """Show the last state."""
        with self._lock:
            if self._rows:
                self._show(time.monotonic())

    def _show(self, now: float) -> None:
        self._shown = now
        bundle = {"text/html": self.as_html(), "text/plain": self.as_text()}
        if self._handle is None:
            self._handle = self._context.copy().run(self.display, bundle, raw=True, display_id=True)
        else:
            self._context.copy().run(self._handle.update, bundle, raw=True)

    def as_html(self) -> str:
        """Write the bars as a table."""
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td><progress{_value(row)}></progress></td>"
            f"<td>{row.words}</td></tr>"
            for name, row in self._rows.items()
        )
        return f'<table class="skry-progress"><tbody>{rows}</tbody></table>'

    def as_text(self) -> str:
        """Write the same in lines."""
        return "\n".join(f"{name}: {row.words}" for name, row in self._rows.items())


def _value(row: _Row) -> str:
    return "" if row.total is None else f' value="{row.done}" max="{row.total}"'
