"""What is given of options, as a dataclass or by name, and what differs from the defaults."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Set
from enum import StrEnum
from typing import Any, TypeVar

from skry_dask.errors import OptionsError

NEAR = 0.6
"""Similarity of two names (0 to 1, `difflib.SequenceMatcher.ratio`) from which one may be meant."""


class NamedOptions:
    """Options that refuse unknown names with the nearest one, and show what is not a default."""

    __slots__ = ()

    def __new__(cls, *values: Any, **given: Any) -> Any:
        """Refuse unknown names, and values without a name."""
        names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        if values:
            raise TypeError(
                f"{cls.__name__} takes options by name, such as {cls.__name__}({names[0]}=...)"
            )
        check_names(given, names, cls.__name__)
        return super().__new__(cls)

    def __repr__(self) -> str:
        given = plain_values(given_in(self))
        shown = ", ".join(f"{name}={_plain(value)!r}" for name, value in given.items())
        return f"{type(self).__name__}({shown})"


T = TypeVar("T", bound=NamedOptions)


def given_in(options: Any) -> dict[str, Any]:
    """Find the fewest values that options are made of: what differs from the defaults.

    What follows from other values does not count: options with ``drizzle=2`` have a ``drop``, too.

    Parameters
    ----------
    options
        A dataclass of options.

    Returns
    -------
    dict
        By name, in the order of the fields: ``type(options)(**given_in(options)) == options``.

    Examples
    --------
    >>> from skry_dask.options import StackOptions
    >>> given_in(StackOptions(drizzle=2))
    {'drizzle': 2.0}
    """
    kind = type(options)
    given = {f.name: getattr(options, f.name) for f in dataclasses.fields(kind)}
    given = {f.name: given[f.name] for f in dataclasses.fields(kind) if given[f.name] != f.default}
    for name in reversed(list(given)):
        fewer = {other: value for other, value in given.items() if other != name}
        try:
            if kind(**fewer) == options:
                given = fewer
        except (OptionsError, TypeError):  # contradicts itself without it, or has no default
            continue
    return given


def options_of(
    kind: type[T],
    options: T | None,
    choices: Mapping[str, Any],
    function: str,
    rivals: Mapping[str, Set[str]] | None = None,
) -> T:
    """Put options together that are given as a dataclass, by name, or both: names win.

    Parameters
    ----------
    kind
        The dataclass.
    options
        One of that kind; None = the defaults.
    choices
        Options by name. Each replaces that of ``options``, and those that contradict it.
    function
        What takes the options, for messages.
    rivals
        By the name of an option, those that it replaces, too; see `without_rivals`.

    Raises
    ------
    OptionsError
        If ``options`` are of another kind, there is no option of a name, or a value is wrong.

    Examples
    --------
    >>> from skry_dask.options import StackOptions
    >>> options_of(StackOptions, StackOptions(percent=20), {"halves": True}, "stack")
    StackOptions(percent=20, halves=True)
    """
    if options is not None and not isinstance(options, kind):
        raise OptionsError(_wrong_kind(kind, options, function))
    check_names(choices, [field.name for field in dataclasses.fields(kind)], function)  # type: ignore[arg-type]
    if not choices:
        return kind() if options is None else options
    before = {} if options is None else given_in(options)
    return kind(**without_rivals(before, choices, rivals or {}), **plain_values(choices))


def options_of_several(
    *given: tuple[type[Any], Any], choices: Mapping[str, Any], function: str
) -> list[Any]:
    """Do what `options_of` does for several kinds of options, none of which share a name.

    Parameters
    ----------
    given
        Each kind, with its options or None.
    choices, function
        As for `options_of`.

    Returns
    -------
    list
        Options of each kind.
    """
    names = {kind: [field.name for field in dataclasses.fields(kind)] for kind, _ in given}
    check_names(choices, [name for of_kind in names.values() for name in of_kind], function)
    return [
        options_of(kind, options, {n: choices[n] for n in names[kind] if n in choices}, function)
        for kind, options in given
    ]


def split_choices(
    kind: type[Any], choices: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split options by name into those of a kind, and all others."""
    names = {field.name for field in dataclasses.fields(kind)}
    of_kind = {name: value for name, value in choices.items() if name in names}
    return of_kind, {name: value for name, value in choices.items() if name not in names}


def without_rivals(
    before: Mapping[str, Any], choices: Iterable[str], rivals: Mapping[str, Set[str]]
) -> dict[str, Any]:
    """Take from options what others replace: those of the same name, and their rivals.

    Parameters
    ----------
    before
        Options by name.
    choices
        Names of the others.
    rivals
        By the name of one of these, the names of options that contradict it, or NAME=VALUE where
        only one value does.
    """
    gone = set(choices).union(*(rivals.get(name, ()) for name in choices))
    return {
        name: value
        for name, value in before.items()
        if name not in gone and f"{name}={value}" not in gone
    }


def plain_values(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Convert NumPy's scalars to Python's numbers, without importing NumPy."""
    return {
        name: value.item() if getattr(value, "shape", None) == () else value
        for name, value in choices.items()
    }


def check_names(given: Iterable[str], names: Iterable[str], where: str) -> None:
    """Refuse names of options that there are not.

    Raises
    ------
    OptionsError
        It says which name was probably meant.
    """
    names = list(names)
    for name in given:
        if name not in names:
            raise OptionsError(f"{where} has no option {name}: {nearest(name, names, 'option')}")


def nearest(word: str, names: Iterable[str], what: str, form: str = "{}") -> str:
    """Say which name was probably meant, or which ones there are.

    Parameters
    ----------
    word
        What was given.
    names
        What there is.
    what
        What they name, for the message.
    form
        How names are written, such as "[{}]".
    """
    names = list(names)
    found = difflib.get_close_matches(word, names, n=1, cutoff=NEAR)
    if found:
        return f"did you mean {form.format(found[0])}?"
    return f"there is no such {what}: there are {', '.join(form.format(name) for name in names)}"


def _wrong_kind(kind: type, options: Any, function: str) -> str:
    found = f"options of {function} are {article(options)}"
    parts = {
        field.name: getattr(options, field.name)
        for field in (dataclasses.fields(options) if isinstance(options, NamedOptions) else ())  # type: ignore[arg-type]
    }
    part = next((name for name, value in parts.items() if isinstance(value, kind)), None)
    if part is not None:
        return f"{found}, those of a whole job: give options.{part}"
    if isinstance(options, Mapping):
        return f"{found}: give them by name, as in {function}(..., **options)"
    return f"{found}: give {kind.__name__}, or single options by name"


def article(value: Any) -> str:
    """Name the class of a value: "a dict", "an int"; of None itself."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"a{'n' * (name[0].lower() in 'aeiou')} {name}"


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, StrEnum) else value
