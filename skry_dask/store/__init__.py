"""Stores: zarr v3 groups on disk with frames and phase results.

A store has ``frames`` (frame, y, x[, channel]), ``frame`` (their numbers in the file), ``time``
where it is known, and one group per phase result, ``<phase>/<digest>``. A raw video is presented as
the same group *in place*: metadata in memory, chunks read from the video on demand.

Whatever is written gets a temporary name, is flushed to the disk and renamed; a result counts only
with its mark ``complete``, which is written last. No other package imports zarr.
"""
