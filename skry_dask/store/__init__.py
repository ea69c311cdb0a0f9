"""Stores: zarr v3 groups on disk with frames and phase results.

A store has ``frames`` (frame, y, x[, channel]), ``frame`` (their numbers in the file), ``time``
where it is known, and a group for each phase result, ``<phase>/<digest>``. A raw video is presented
as the same group *in place*: metadata in memory, chunks read from the video on demand.

Everything is written under a temporary name, flushed to the disk and renamed. A result counts only
with its mark ``complete``, which is written last. No other package of skry_dask imports zarr.
"""
