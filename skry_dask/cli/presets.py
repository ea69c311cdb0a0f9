"""Options in files: ``--options FILE`` in place of flags, and ``--save-options FILE``.

Flags win over the file: what a flag says replaces that option of the file, and the options that
contradict it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyclopts import Token

from skry_dask.errors import OptionsError
from skry_dask.options import OF_PHASES
from skry_dask.options.files import to_toml, values_in
from skry_dask.options.outputs import OutputOptions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cyclopts import App, ArgumentCollection

    from skry_dask.options import Options

FLAG = "--options"

COMMAND = ("stack",)

_CRITERIA = frozenset({"percent", "number", "min_quality"})

RIVALS = {
    **{name: (_CRITERIA | {"choose"}) - {name} for name in _CRITERIA},
    "choose": _CRITERIA,
    "drizzle": {"interpolation", "demosaic"},
    "interpolation": {"drizzle", "drop"},
    "demosaic": {"drizzle", "drop"},
    "quick": {"choose"},
    "points_file": {"points"},
    "anchors_file": {"anchors"},
}
"""Options of a file that a flag replaces, by the name of the flag, besides its own."""


def apply_options_file(_: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Take from the file that ``--options`` names what no flag says.

    Parameters
    ----------
    commands
        The command, as typed.
    arguments
        Of the command; those without tokens are not given.

    Raises
    ------
    OptionsError
        If the file cannot be read, or has an option that there is not.
    """
    if commands != COMMAND:
        return
    file = next(argument for argument in arguments if FLAG in argument.names)
    if not file.tokens:
        return
    name = file.tokens[0].value
    given = {_option_of(argument) for argument in arguments if argument.tokens}
    values = read_options(name)
    for flag in given & RIVALS.keys():
        # Whole frames, too, are chosen by a criterion.
        if flag != "choose" or _text_of(arguments, "choose") == "weights":
            values = {option: v for option, v in values.items() if option not in RIVALS[flag]}
    for argument in arguments:
        option = _option_of(argument)
        if option in values and not argument.tokens:
            argument.append(_token(str(argument.name), values[option], name))


def _token(flag: str, value: Any, source: str) -> Token:
    """Put a value where cyclopts expects the words of a flag; text is one, as it is typed."""
    if isinstance(value, str):
        return Token(keyword=flag, value=value, source=source)
    return Token(keyword=flag, implicit_value=value, source=source)


def read_options(name: str) -> dict[str, Any]:
    """Read the options in a file: values by name, of those that are there.

    Raises
    ------
    OptionsError
        If the file cannot be read, or has an option that there is not.
    """
    try:
        with open(name, "rb") as file:  # noqa: PTH123 what the user typed
            content = file.read()
    except OSError as error:
        raise OptionsError(
            f"{name} cannot be read ({error.strerror}): give a file as skry stack --save-options "
            "writes it"
        ) from error
    tables = values_in(content, name, *OF_PHASES, OutputOptions)
    return {option: value for table in tables.values() for option, value in table.items()}


def _option_of(argument: Any) -> str:
    return str(argument.name).lstrip("-").replace("-", "_")


def _text_of(arguments: Iterable[Any], option: str) -> str | None:
    found = (a.tokens[0].value for a in arguments if _option_of(a) == option and a.tokens)
    return next(found, None)


def write_options(path: Path, options: Options, outputs: OutputOptions) -> None:
    """Write all options of a job into a file for ``--options``.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    from skry_dask.io.atomic import write_if_new

    of_phases = [getattr(options, kind.phase) for kind in OF_PHASES]
    write_if_new(path, to_toml(*of_phases, outputs).encode())
