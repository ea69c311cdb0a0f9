"""Align, quality, track, stack: pure functions from arrays to labelled, lazy arrays."""
