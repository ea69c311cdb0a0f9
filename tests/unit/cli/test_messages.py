from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

from skry_dask.cli import messages
from skry_dask.cli.messages import Messages
from skry_dask.cli.terminal import ProgressBars
from skry_dask.pipeline.progress import Progress

if TYPE_CHECKING:
    import pytest


def test_a_phase_takes_the_time_since_the_one_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 102.0, 107.0, 108.0])
    monkeypatch.setattr(messages.time, "perf_counter", lambda: next(clock))
    events = io.StringIO()
    told = Messages(ProgressBars(None), lines=False, events=events, quiet=True)
    for capture, phase in (("a", "align"), ("a", "stack"), ("b", "align")):
        told.report(Progress(phase, 1, 1, capture=capture))
    seconds = [json.loads(line)["seconds"] for line in events.getvalue().splitlines()]
    assert seconds == [2.0, 5.0, 1.0]
