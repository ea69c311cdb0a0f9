"""What a command says while it runs, and where: ``-v``, ``-q``, ``--log-file``, ``--events``."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from skry_dask.cli.terminal import ProgressBars, progress_bars, reporting
from skry_dask.errors import OptionsError, StoreError
from skry_dask.pipeline.progress import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from skry_dask.pipeline.progress import Progress

PACKAGE = "skry_dask"
"""Name of the logger above all others of this program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageOptions:
    """What is said while a command runs.

    Parameters
    ----------
    verbose
        Also say what is decided, on standard error: phases, methods, what is reused.
    quiet
        Print nothing but errors.
    log_file
        Append everything that is said, and more, with times, to this file.
    events
        Write progress and results as lines of JSON to this file, for other programs.
    """

    verbose: Annotated[bool, Parameter(alias="-v")] = False
    quiet: Annotated[bool, Parameter(alias="-q")] = False
    log_file: Path | None = None
    events: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.verbose and self.quiet:
            raise OptionsError("--verbose and --quiet contradict each other: give one of them")


class Messages:
    """Says how far a command is, to all who asked.

    Parameters
    ----------
    bars
        Progress bars on a terminal.
    lines
        Whether a line for each phase is printed on standard error in place of bars.
    events
        Where lines of JSON go, or None.
    quiet
        Whether results are not printed.
    log
        Where what is printed goes, too, or None.
    """

    def __init__(
        self,
        bars: ProgressBars,
        *,
        lines: bool,
        events: TextIO | None,
        quiet: bool,
        log: TextIO | None = None,
    ) -> None:
        self._bars = bars
        self._lines = lines
        self._events = events
        self.quiet = quiet
        self._log = log
        self._began: dict[tuple[str, str], float] = {}
        self._ended: dict[str, float] = {}
        self._start = time.perf_counter()
        self._lock = threading.Lock()

    def report(self, progress: Progress) -> None:
        """Say how far a phase is; may be called from any thread."""
        self._bars.report(progress)
        now = time.perf_counter()
        key = progress.capture, progress.phase
        with self._lock:
            # A phase begins where the one before it ends: its graph takes time, too. The first
            # one of a capture begins where the capture before ends.
            last = max(self._ended.values(), default=self._start)
            before = self._ended.get(progress.capture, last)
            began = self._began.setdefault(key, before)
            if self._events is not None:
                seconds = round(now - began, 3)
                left = _seconds_left(progress, seconds)
                self.write("progress", **progress._asdict(), seconds=seconds, seconds_left=left)
            if progress.done != progress.total or not progress.done:
                return
            self._began.pop(key)
            self._ended[progress.capture] = now
            line = f"skry: {_line(progress, now - began)}"
            if self._lines:
                print(line, file=sys.stderr)
            self.log(line)

    def log(self, text: str, level: str = "INFO") -> None:
        """Write what is printed into the log file, too."""
        if self._log is not None:
            when = datetime.now().strftime("%Y-%m-%d %H:%M:%S,%f")[:-3]
            print(f"{when} {level} {text}", file=self._log, flush=True)

    def write(self, event: str, **about: Any) -> None:
        """Write an event as a line of JSON."""
        if self._events is not None:
            print(json.dumps({"event": event, **about}), file=self._events, flush=True)

    def paused(self, capture: str = "") -> contextlib.AbstractContextManager[None]:
        """Draw nothing while something is printed."""
        return self._bars.paused(capture)


def _seconds_left(progress: Progress, seconds: float) -> float | None:
    """Estimate how long a phase will still take, s; None where that is not known."""
    if not progress.done or progress.total is None:
        return None
    return round(seconds * (progress.total - progress.done) / progress.done, 3)


def _line(progress: Progress, seconds: float) -> str:
    """Describe a phase that is done."""
    where = f"{Path(progress.capture).name}: " if progress.capture else ""
    if not progress.frames:
        return f"{where}{in_words(progress.phase)} done in {seconds:.1f} s"
    rate = f", {progress.frames / seconds:.0f} frames/s" if seconds > 0.05 else ""
    return f"{where}{in_words(progress.phase)} {progress.frames} frames in {seconds:.1f} s{rate}"


@contextlib.contextmanager
def messages(options: MessageOptions, *, several: bool = False) -> Iterator[Messages]:
    """Say what is going on while the context lasts.

    Parameters
    ----------
    options
        What to say.
    several
        Whether the command works on several captures.

    Raises
    ------
    StoreError
        If a file cannot be written.
    """
    with contextlib.ExitStack() as held:
        events = log = None
        if options.events is not None:
            events = held.enter_context(_opened(options.events, "w"))
        if options.log_file is not None:
            log = held.enter_context(_opened(options.log_file, "a"))
            held.enter_context(_logged(log))
        if options.verbose:
            held.enter_context(_told())
        elif not options.quiet:
            held.enter_context(reporting())
        bars = ProgressBars()
        if not options.quiet:
            bars = held.enter_context(progress_bars(several=several))
        lines = not options.quiet and not sys.stderr.isatty()
        yield Messages(bars, lines=lines, events=events, quiet=options.quiet, log=log)


def _opened(path: Path, mode: str) -> TextIO:
    try:
        file: TextIO = path.open(mode, encoding="utf-8")  # type: ignore[assignment]
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}): name another file"
        ) from error
    return file


class _CallingHandler(logging.Handler):
    """Gives each log message to a function."""

    def __init__(self, level: int, call: Callable[[logging.LogRecord], None]) -> None:
        super().__init__(level)
        self.call = call

    def emit(self, record: logging.LogRecord) -> None:
        self.call(record)


def _told() -> contextlib.AbstractContextManager[None]:
    """Print what is decided."""
    return _handled(
        logging.INFO, lambda record: print(f"skry: {record.getMessage()}", file=sys.stderr)
    )


def _logged(file: TextIO) -> contextlib.AbstractContextManager[None]:
    """Write all messages into a file, with their times."""
    form = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    return _handled(logging.DEBUG, lambda record: print(form.format(record), file=file, flush=True))


@contextlib.contextmanager
def _handled(level: int, call: Callable[[logging.LogRecord], None]) -> Iterator[None]:
    """Call a function with the log messages of this program while the context lasts."""
    log, handler = logging.getLogger(PACKAGE), _CallingHandler(level, call)
    before = log.level
    log.addHandler(handler)
    log.setLevel(min(level, before or level))
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
