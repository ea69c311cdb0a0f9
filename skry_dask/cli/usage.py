"""Wrong usage in one line: what is wrong, the value given, and what to write instead.

`cyclopts` reads the command line; its own messages are several lines in a frame, and suggest flags
that resemble what was typed only in a letter or two.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from cyclopts import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from skry_dask.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cyclopts import App

NEAR = 0.75
"""Similarity of two names (0 to 1, `difflib.SequenceMatcher.ratio`) from which one may be meant.

A misspelt or swapped letter in a word of seven has 0.85, ``--quiet`` and ``--bits`` have 0.44."""

_NUMBER = re.compile(r"-?\d+(\.\d*)?")
"""A number as it is typed for a flag."""


def parse(app: App, arguments: Sequence[str]) -> Callable[[], Any]:
    """Read a command line.

    Parameters
    ----------
    app
        The commands.
    arguments
        Words after the program's name.

    Returns
    -------
    The command with its arguments, to be called.

    Raises
    ------
    OptionsError
        If there is no such command or flag, or a value is missing, of another kind or too many.
    """
    try:
        command, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _refuse(app, arguments, error)
    _check_left_over_numbers(arguments, bound.arguments.get("inputs", ()))
    if command.__module__.startswith("skry_dask"):  # neither --help nor --version
        _check_fractions(app[arguments[0]], arguments)
    return lambda: command(*bound.args, **bound.kwargs)


def _refuse(app: App, arguments: Sequence[str], error: CycloptsError) -> NoReturn:
    """Raise an `OptionsError` that says in one line what cyclopts has found."""
    command = " ".join(["skry", *(error.command_chain or ())])
    match error:
        case UnknownCommandError():
            word = (error.unused_tokens or arguments)[0]
            raise OptionsError(_unknown_command(app, word)) from error
        case UnknownOptionError():
            token = error.token
            names = [name for argument in error.argument_collection for name in argument.names]
            raise OptionsError(
                _unknown_flag(command, token.keyword or token.value, names)
            ) from error
        case CoercionError() if error.argument is not None and error.token is not None:
            name, text = _name(error), error.token.value
            raise OptionsError(f"{name} is {text!r}: {_expected(error)}") from error
        case MissingArgumentError() if error.argument is not None:
            raise OptionsError(_missing(command, arguments, error)) from error
        case RepeatArgumentError():
            flag = error.token.keyword
            raise OptionsError(f"{flag} is given more than once: give it once") from error
        case UnusedCliTokensError() if error.unused_tokens:
            words = " ".join(error.unused_tokens)
            raise OptionsError(
                f"{command} takes no further arguments, but {words} is given: see {command} --help"
            ) from error
    error.verbose = False
    raise OptionsError(" ".join(str(error).split())) from error


def _unknown_command(app: App, word: str) -> str:
    names = [name for name in app if not name.startswith("-")]
    near = nearest(word, names)
    if near:
        return f"there is no command {word}: did you mean skry {near}?"
    if Path(word).exists():
        return f"{word} is no command: to stack it, write skry stack {word}"
    return f"there is no command {word}: choose one of {', '.join(names)}"


def _unknown_flag(command: str, flag: str, names: Iterable[str]) -> str:
    flag = flag.partition("=")[0]
    near = nearest(flag, names)
    remedy = f"did you mean {near}?" if near else f"{command} --help lists the options"
    return f"{command} has no option {flag}: {remedy}"


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Find the name that was probably meant, or None where no name is near.

    Parameters
    ----------
    word
        What was typed; dashes in front do not count.
    names
        Names that there are, of flags with their dashes.
    """
    bare = {name.lstrip("-"): name for name in names if len(name) > 2}
    found = difflib.get_close_matches(word.lstrip("-"), bare, n=1, cutoff=NEAR)
    return bare[found[0]] if found else None


def _name(error: CycloptsError) -> str:
    argument: Any = error.argument
    return str(argument.name)


def _expected(error: CoercionError) -> str:
    """Say which values an argument takes."""
    kind: Any = error.target_type
    choices = getattr(kind, "__args__", None) or getattr(kind, "__members__", {}).values()
    words = [str(getattr(choice, "value", choice)) for choice in choices]
    if words:
        return f"choose one of {', '.join(words)}"
    if kind is bool:
        return "it takes no value, leave it out"
    return f"it must be {'a whole number' if kind is int else 'a number'}"


def _missing(command: str, arguments: Sequence[str], error: MissingArgumentError) -> str:
    argument: Any = error.argument
    n_needed, _ = argument.token_count()
    n_given = len(error.tokens_so_far)
    if n_given:
        given = " ".join(error.tokens_so_far)
        return f"{_name(error)} takes {n_needed} values, but is given only {given}"
    for flag in set(argument.names) & set(arguments):
        return f"{flag} needs {_count(n_needed)} after it"
    return f"{command} needs {_name(error)}: see {command} --help"


def _count(n_values: int) -> str:
    return "one value" if n_values == 1 else f"{n_values} values"


def _check_left_over_numbers(arguments: Sequence[str], inputs: Sequence[str]) -> None:
    """Refuse numbers that follow the values of a flag and would be taken for inputs.

    Raises
    ------
    OptionsError
        For ``--percent 5 10 20``, where no files are called 10 and 20.
    """
    for name in inputs:
        if not _NUMBER.fullmatch(name) or Path(name).exists():
            continue
        before = arguments[: arguments.index(name)]
        values: list[str] = []
        while before and _NUMBER.fullmatch(before[-1]):
            *before, value = before
            values.insert(0, value)
        flag, equals, value = before[-1].partition("=") if before else ("", "", "")
        if flag.startswith("-"):
            values = [value, *values] if equals else values
            taken = f"{_count(len(values))} ({' '.join(values)})" if values else "no value"
            raise OptionsError(
                f"{flag} takes {taken}, so {name} after it would be an input, and there is no file "
                f"{name}: {_remedy(len(values))}"
            )


def _check_fractions(command: App, arguments: Sequence[str]) -> None:
    """Refuse fractions where whole numbers are meant, which cyclopts rounds.

    Raises
    ------
    OptionsError
        For ``--number 2.6``.
    """
    words = [word for argument in arguments for word in argument.split("=", 1)]
    fractions = [i for i, word in enumerate(words) if i and "." in word and _NUMBER.fullmatch(word)]
    if not fractions:
        return
    kinds = {
        name: argument.hint
        for argument in command.assemble_argument_collection()
        for name in argument.names
    }
    for i in fractions:
        if kinds.get(words[i - 1]) in (int, int | None):
            raise OptionsError(f"{words[i - 1]} is {words[i]!r}: it must be a whole number")


def _remedy(n_values: int) -> str:
    if n_values == 0:
        return "leave it out"
    return "run skry once for each value" if n_values == 1 else "repeat the flag for each point"
