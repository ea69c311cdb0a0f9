"""Lucky imaging as a dataflow pipeline on chunked arrays.

A telescope's video goes in, one sharp image comes out; see ``skry_dask.run`` for the whole job and
``align``, ``estimate_quality``, ``track`` and ``stack`` for its phases.
"""
