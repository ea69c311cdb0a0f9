"""Progress in a notebook: bars in the cell that runs, and nothing anywhere else."""

from __future__ import annotations

import contextvars
import sys
import threading
from types import SimpleNamespace

import pytest

import skry_dask as skry
from skry_dask.notebook import NotebookProgress, notebook_display
from skry_dask.pipeline.progress import Progress, shows_progress

CELL = contextvars.ContextVar("cell", default="no cell")


class Output:
    """What a cell shows, as IPython keeps it: the last content, and the cell of each update."""

    def __init__(self):
        self.bundles, self.cells = [], []

    def display(self, bundle, *, raw, display_id):
        assert raw
        assert display_id
        self.update(bundle, raw=True)
        return self

    def update(self, bundle, *, raw):
        self.bundles.append(bundle)
        self.cells.append(CELL.get())


@pytest.fixture
def notebook(monkeypatch):
    output = Output()
    shell = SimpleNamespace(kernel=object())
    fake = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=output.display))
    return SimpleNamespace(output=output, shell=shell)


def test_nothing_is_shown_outside_of_notebooks(notebook, monkeypatch):
    assert notebook_display() is not None
    notebook.shell.kernel = None  # IPython in a terminal
    assert notebook_display() is None
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert notebook_display() is None
    monkeypatch.delitem(sys.modules, "IPython")
    assert notebook_display() is None


def test_a_row_for_each_step_shows_what_is_done(notebook):
    bars = NotebookProgress(notebook.output.display)
    bars._latest -= 1.0  # as if a second had gone by
    bars.report("import", 30, None)
    bars._latest -= 1.0
    bars.report("align <b>", 4, 8, 100)
    bars.report("align <b>", 8, 8, 100)
    page, text = notebook.output.bundles[-1].values()
    assert page.count("<tr>") == 2
    assert '<progress value="8" max="8">' in page
    assert "align &lt;b&gt;" in page
    assert text.splitlines()[0].startswith("import: 30, ")
    assert "align <b>: 8 of 8, " in text
    assert " frames/s, " in text


def test_threads_without_context_write_into_the_cell_that_runs(notebook):
    CELL.set("cell 3")
    bars = NotebookProgress(notebook.output.display)
    threads = [
        contextvars.Context().run(threading.Thread, target=bars.report, args=(str(i), 1, 1))
        for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert notebook.output.cells == ["cell 3"] * 4
    assert notebook.output.bundles[-1]["text/html"].count("<tr>") == 4


def test_many_events_are_few_updates_but_the_last_state_is_shown(notebook):
    bars = NotebookProgress(notebook.output.display)
    for i in range(1000):
        bars.report("align", i, 5000)
    bars.close()
    assert 2 <= len(notebook.output.bundles) < 500
    assert "align: 999 of 5000" in notebook.output.bundles[-1]["text/plain"]


def test_functions_show_bars_unless_they_are_given_something_else(notebook):
    @shows_progress
    def work(events, *, progress=None):
        """Work."""
        for event in events:
            if progress is not None:
                progress(event)
        raise KeyboardInterrupt

    events = [Progress("first_stack", 1, 2, "moon.ser"), Progress("stack", 0, 1)]
    with pytest.raises(KeyboardInterrupt):
        work(events)
    assert notebook.output.bundles[-1]["text/plain"].startswith("moon.ser first stack: 1 of 2, ")
    assert "stack: 0 of 1" in notebook.output.bundles[-1]["text/plain"]
    shown, taken = len(notebook.output.bundles), []
    with pytest.raises(KeyboardInterrupt):
        work(events, progress=taken.append)
    assert taken == events
    assert len(notebook.output.bundles) == shown
    assert work.__doc__ == "Work."


def test_decoding_shows_a_bar(notebook, moon_ser, tmp_path):
    skry.import_capture(moon_ser, tmp_path / "frames.skry")
    assert notebook.output.bundles[-1]["text/plain"].startswith("import: 40 of 40, ")
    notebook.output.bundles.clear()
    skry.open_capture(tmp_path / "frames.skry")  # decoded already
    seen = []
    skry.import_capture(moon_ser, tmp_path / "again.skry", progress=lambda *done: seen.append(done))
    assert seen[-1] == (40, 40)
    assert not notebook.output.bundles


def test_a_job_shows_its_phases(notebook, moon_ser):
    skry.run(moon_ser, quick=True)
    text = notebook.output.bundles[-1]["text/plain"]
    assert [line.split(":")[0] for line in text.splitlines()] == [
        *("align", "quality", "track", "stack")
    ]
    notebook.output.bundles.clear()
    skry.run(moon_ser, quick=True)  # everything is reused
    assert not notebook.output.bundles
