"""What ``skry`` says on standard error, in a process of its own or in this one."""

from __future__ import annotations


def complaints(errors: str) -> list[str]:
    """Lines on standard error, without those that say what is compiled or how phases went."""
    said = ("compil", " frames in ")
    return [line for line in errors.splitlines() if not any(words in line for words in said)]
