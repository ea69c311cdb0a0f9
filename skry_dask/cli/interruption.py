"""Ctrl-C and requests to end: the process exits at once, with one line and no file left over.

The signal wakes a thread that does all of this, whatever the others are doing: a compiled kernel, a
decoder or a flush to a slow disk need not come to an end. Python's own way, an exception in the
main thread, would wait for all of them, and can be lost in a library that catches everything.

Unfinished work is dropped; finished parts are on disk already, or saved now.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from skry_dask.unfinished import remove_unfinished, save_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Signals that ask a program to end, of all systems: Ctrl-C; the system, kill or a batch queue; a
terminal that closes; Ctrl-Break on Windows, and its closing windows."""

CONTINUING = ("stack", "import", "compile")
"""Commands that keep what is finished."""

FLUSH_SECONDS = 0.2
"""How long output that is printed already may take until its reader has it."""

SAVE_SECONDS = 2.0
"""Longest time for saving finished parts of the work; most often it takes a few ms."""

_SAID: list[Callable[[], str]] = []
"""What else to say; see `saying`."""

SHOW_CURSOR = "\x1b[?25h\n"
"""What a terminal needs after progress bars, which hide its cursor."""


def exit_on_signals(words: Sequence[str]) -> None:
    """Exit when a signal asks for it, from now on. To be called once, in the main thread.

    Parameters
    ----------
    words
        Words of the command line, without the program's name.
    """
    # A signal that is ignored stays so: shells and nohup start programs that way.
    numbers = [
        number
        for name in NAMES
        if (number := getattr(signal, name, None)) is not None
        and signal.getsignal(number) is not signal.SIG_IGN
    ]
    if sys.platform == "win32":
        from socket import socketpair

        reader, writer = socketpair()
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
        source = reader.detach()
    else:
        source, target = os.pipe()
        os.set_blocking(target, False)
        signal.set_wakeup_fd(target, warn_on_full_buffer=False)
        # A process that is forked would wake this one.
        os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    for number in numbers:
        signal.signal(number, _leave_it_to_the_thread)
    arguments = (source, frozenset(numbers), tuple(words))
    threading.Thread(target=_watch, args=arguments, name="skry-signals", daemon=True).start()
    if sys.platform != "win32":
        # Processes that are started inherit this: Ctrl-C reaches all processes of a terminal, and
        # the others leave it to this one to end them.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _leave_it_to_the_thread(*_: object) -> None:
    """Do nothing: Python has woken the thread before it calls this."""


def _watch(source: int, numbers: frozenset[int], words: tuple[str, ...]) -> None:
    """Wait for one of the signals, and exit."""
    while (number := _next_signal(source)) not in numbers:
        pass
    _end(number, words)


def _next_signal(source: int) -> int:
    if sys.platform != "win32":
        return os.read(source, 1)[0]
    from socket import socket

    with socket(fileno=source) as reader:
        number = reader.recv(1)[0]
        reader.detach()
    return number


@contextlib.contextmanager
def saying(what: Callable[[], str]) -> Iterator[None]:
    """Say how far a command is, too, if it is interrupted while the context lasts.

    Parameters
    ----------
    what
        Called then; returns a clause such as "2 of 9 captures are finished".
    """
    _SAID.append(what)
    try:
        yield
    finally:
        _SAID.pop()


def _end(number: int, words: Sequence[str]) -> None:
    """Say what happened, remove what is unfinished, and exit."""
    flush = threading.Thread(target=_flush, daemon=True)
    flush.start()
    flush.join(FLUSH_SECONDS)
    name = signal.Signals(number).name
    line = f"skry: {interruption(words, '' if name in ('SIGINT', 'SIGBREAK') else name)}\n"
    with contextlib.suppress(OSError):
        if os.isatty(2):
            line = SHOW_CURSOR + line
        os.write(2, line.encode())
    save_work(SAVE_SECONDS)
    remove_unfinished()
    if "multiprocessing" in sys.modules:
        import multiprocessing

        for process in multiprocessing.active_children():
            process.kill()
    os._exit(exit_status(number))


def _flush() -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()


def interruption(words: Sequence[str], name: str = "") -> str:
    """Say that a command was interrupted, and what the user can do.

    Parameters
    ----------
    words
        Words of the command line, without the program's name.
    name
        Name of the signal, if it was not the user's Ctrl-C.
    """
    if words and words[0] == "view":
        return f"interrupted{f' by {name}' if name else ''}: what phases have finished is kept"
    by = "".join([f" by {name}" if name else "", *(f", {what()}" for what in _SAID)])
    if words[:1] and words[0] in CONTINUING:
        return f"interrupted{by}: the same command continues from the parts that are finished"
    return f"interrupted{by}: nothing is kept, run the same command again"


def exit_status(number: int) -> int:
    """Return the exit status after a signal: 130 after Ctrl-C, 143 after SIGTERM."""
    is_key = signal.Signals(number).name in ("SIGINT", "SIGBREAK")
    return 128 + (signal.SIGINT if is_key else number)
