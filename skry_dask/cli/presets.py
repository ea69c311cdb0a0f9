"""Options in files: ``--options FILE`` in place of flags, and ``--save-options FILE``.

Flags win over the file: what a flag says replaces that option of the file, and the options that
contradict it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Token

from skry_dask.options import OF_PHASES
from skry_dask.options.files import read_given
from skry_dask.options.given import without_rivals
from skry_dask.options.outputs import OutputOptions
from skry_dask.options.rivals import OF_JOB, OF_SHARPENING
from skry_dask.options.sharpening import SharpenOptions
from skry_dask.options.tone import ToneOptions

if TYPE_CHECKING:
    from collections.abc import Set

    from cyclopts import App, ArgumentCollection


FLAG = "--options"

KINDS = {
    "stack": (*OF_PHASES, OutputOptions),
    "view": (*OF_PHASES, OutputOptions),
    "sharpen": (SharpenOptions, ToneOptions),
}
"""The options that each command keeps in files."""

RIVALS: dict[str, dict[str, Set[str]]] = {
    "stack": OF_JOB,
    "view": OF_JOB,
    "sharpen": OF_SHARPENING,
}
"""Options of a file that a flag of a command replaces besides its own, by the name of the flag."""


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
    command = " ".join(commands)
    if command not in KINDS:
        return
    file = next(argument for argument in arguments if FLAG in argument.names)
    if not file.tokens:
        return
    name = file.tokens[0].value
    given = {_option_of(argument) for argument in arguments if argument.tokens}
    values = read_given(Path(name), *KINDS[command])
    values = without_rivals(values, given, RIVALS[command])
    for argument in arguments:
        option = _option_of(argument)
        if option in values and not argument.tokens:
            argument.append(_token(str(argument.name), values[option], name))


def _token(flag: str, value: Any, source: str) -> Token:
    """Put a value where cyclopts expects the words of a flag; text is one, as it is typed."""
    if isinstance(value, str):
        return Token(keyword=flag, value=value, source=source)
    return Token(keyword=flag, implicit_value=value, source=source)


def _option_of(argument: Any) -> str:
    return str(argument.name).lstrip("-").replace("-", "_")
