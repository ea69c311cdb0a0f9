"""What ``skry`` says on standard error, in a process of its own or in this one."""

from __future__ import annotations


def complaints(errors: str) -> list[str]:
    """Lines on standard error, without those that say that kernels are being compiled."""
    return [line for line in errors.splitlines() if "compil" not in line]
