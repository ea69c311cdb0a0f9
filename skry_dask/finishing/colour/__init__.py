"""Colour from grey images, one for each filter."""
