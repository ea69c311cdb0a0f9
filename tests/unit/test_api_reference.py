"""The API reference: pdoc writes it without warnings, with every public name and its example."""

from __future__ import annotations

import warnings

import pdoc
import pdoc.doc

import skry_dask as skry


def test_pdoc_writes_a_page_with_every_public_name_without_warnings() -> None:
    pdoc.render.configure(docformat="numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module = pdoc.doc.Module(skry)
        page = pdoc.render.html_module(module, {"skry_dask": module})
    public = {name for name in skry.__all__ if name not in ("plotting", "__version__")}
    assert {f"skry_dask.{name}" for name in public} <= {m.fullname for m in module.members.values()}
    assert [name for name in public if f'id="{name}"' not in page] == []
    # Every function says what it takes, what it gives and how it is called.
    for member in module.members.values():
        if isinstance(member, pdoc.doc.Function):
            sections = ("Parameters", "Examples")
            assert [s for s in sections if s not in member.docstring] == [], member.fullname
