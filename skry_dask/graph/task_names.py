"""Names of tasks, as dashboards and logs of clusters show them: the phase, and what it does.

dask shows the words of a name up to its first number: ``track-match-points-5f0e...`` is one of the
tasks ``track-match-points``.
"""

from __future__ import annotations

import functools
import uuid
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

_PHASE: ContextVar[str] = ContextVar("phase", default="")
"""The phase whose graph is being built in this context."""


def phase_tasks(phase: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a decorator for what builds the graph of a phase, whose tasks are named after it.

    Parameters
    ----------
    phase
        One word.
    """

    def decorate(build: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(build)
        def named(*arguments: P.args, **options: P.kwargs) -> R:
            before = _PHASE.set(phase)
            try:
                return build(*arguments, **options)
            finally:
                _PHASE.reset(before)

        return named

    return decorate


def step_name(function: Callable[..., Any]) -> str:
    """Name the step of the phase that calls a function: such as ``track-match-points``."""
    words = function.__name__.strip("_").split("_")
    phase = _PHASE.get()
    return "-".join(words if words[0] == phase or not phase else [phase, *words])


def task_name(function: Callable[..., Any]) -> str:
    """Make a unique name for the tasks that call a function."""
    return f"{step_name(function)}-{uuid.uuid4().hex}"
