"""Frames in a store: read, and imported."""
