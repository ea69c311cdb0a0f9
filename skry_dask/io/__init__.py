"""Captures in and images out: one file per format."""
