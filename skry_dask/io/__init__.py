"""Readers of captures, readers and writers of images: one file per format."""
