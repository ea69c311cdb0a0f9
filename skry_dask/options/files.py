"""Options in a TOML file: one table for each options dataclass, with its version.

A file that was saved is complete: all values are there, also those that were not given, so that it
means the same when defaults change::

    [sharpen]
    version = 3
    method = "wavelets"
    gains = [2.5, 3.5, 2.5, 1.5, 1.0, 1.0]

A file written by hand may leave out whatever it likes, the version too.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from skry_dask.errors import OptionsError
from skry_dask.options.given import nearest
from skry_dask.options.values import PhaseOptions, as_json

if TYPE_CHECKING:
    from pathlib import Path


def to_toml(*options: PhaseOptions) -> str:
    """Write options as TOML.

    Parameters
    ----------
    options
        Dataclasses, each of another phase. A value of None is left out: it is the default.

    Examples
    --------
    >>> from skry_dask.options.sharpening import SharpenOptions
    >>> print(to_toml(SharpenOptions(method="wiener", noise=0.02)))  # doctest: +ELLIPSIS
    [sharpen]
    version = ...
    method = "wiener"
    overshoot = 0.03
    psf = "gaussian"
    sigma = 2.0
    noise = 0.02
    <BLANKLINE>
    """
    return "\n".join(_table(of) for of in options)


def _table(options: PhaseOptions) -> str:
    values = {"version": options.version, **as_json(options)}
    lines = [f"{name} = {_literal(value)}" for name, value in values.items() if value is not None]
    return "\n".join([f"[{options.phase}]", *lines, ""])


def _literal(value: Any) -> str:
    """Write a value as TOML; strings are as in JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)  # inf, nan: the same words in TOML
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_given(path: Path, *kinds: type[PhaseOptions]) -> dict[str, Any]:
    """Read which options a TOML file gives, whatever the others are.

    Parameters
    ----------
    path, kinds
        As for `read_toml`; no two of the kinds have an option of the same name.

    Returns
    -------
    dict
        Names and values of the options, as they are in the file.

    Raises
    ------
    OptionsError
        As `read_toml` does.
    """
    tables = _tables(_content(path), str(path), kinds, required=True)
    known = {kind.phase: kind for kind in kinds}
    for name, table in tables.items():
        _options(table, str(path), known[name])
    return {
        option: _value(value)
        for table in tables.values()
        for option, value in table.items()
        if option != "version"
    }


def _value(value: Any) -> Any:
    """Convert lists to tuples, within lists too."""
    return tuple(map(_value, value)) if isinstance(value, list) else value


def read_toml(path: Path, *kinds: type[PhaseOptions]) -> dict[str, Any]:
    """Read options from a TOML file.

    Parameters
    ----------
    path
        The file.
    kinds
        The options dataclasses that it may have tables of.

    Returns
    -------
    dict
        By the names of the phases: the options of each table that there is, at least one.

    Raises
    ------
    OptionsError
        If it cannot be read, or as `from_toml` does.
    """
    return from_toml(_content(path), str(path), *kinds)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OptionsError(
            f"{path} cannot be read ({error.strerror}): give a file as --save-options writes it"
        ) from error


def from_toml(
    text: str | bytes, where: str, *kinds: type[PhaseOptions], required: bool = True
) -> dict[str, Any]:
    r"""Read options from TOML.

    Parameters
    ----------
    text
        Content of the file, UTF-8.
    where
        Name of the file, for messages.
    kinds
        The options dataclasses that it may have tables of.
    required
        Whether a file without any table is refused.

    Returns
    -------
    dict
        By the names of the phases: the options of each table that there is.

    Raises
    ------
    OptionsError
        If it is no TOML, has another table or key, options of another version, or a value is wrong.

    Examples
    --------
    >>> from skry_dask.options.sharpening import SharpenOptions
    >>> from_toml('[sharpen]\nmethod = "wiener"', "a.toml", SharpenOptions)["sharpen"].noise
    0.1
    """
    tables = _tables(text, where, kinds, required=required)
    known = {kind.phase: kind for kind in kinds}
    return {name: _options(table, where, known[name]) for name, table in tables.items()}


def _tables(
    text: str | bytes, where: str, kinds: Iterable[type[PhaseOptions]], *, required: bool
) -> dict[str, Mapping[str, Any]]:
    """Read the tables of a file, each of a phase that there is."""
    try:
        tables = tomllib.loads(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise OptionsError(f"{where} is no text in UTF-8: save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise OptionsError(f"{where} is no TOML: {_one_line(error)}: correct it") from error
    known = {kind.phase: kind for kind in kinds}
    for name, table in tables.items():
        if name not in known:
            raise OptionsError(f"{where} has [{name}]: {nearest(name, known, 'table', '[{}]')}")
        if not isinstance(table, Mapping):
            raise OptionsError(f"{where} has {name} = {table!r}: write [{name}] and its options")
    if required and not tables:
        names = " or ".join(f"[{name}]" for name in known)
        raise OptionsError(f"{where} has no options: begin with {names}")
    return tables


def _options(table: Mapping[str, Any], where: str, kind: Any) -> Any:
    """Make the options of a table."""
    values = {name: _value(v) for name, v in table.items()}
    version = values.pop("version", kind.version)
    if version != kind.version:
        raise OptionsError(
            f"{where} has [{kind.phase}] of version {version!r}, but this program has version "
            f"{kind.version}, which gives other results: check the options and write version = "
            f"{kind.version}, or leave it out"
        )
    names = [field.name for field in dataclasses.fields(kind)]
    for name in values:
        if name not in names:
            raise OptionsError(
                f"{where} has {name} in [{kind.phase}]: {nearest(name, names, 'option')}"
            )
    try:
        return kind(**values)
    except OptionsError as error:
        raise OptionsError(f"{where}: {error}") from error
    except TypeError as error:  # such as text where a number is compared
        raise OptionsError(f"{where}: a value in [{kind.phase}] is of another kind: {error}") from (
            error
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
