"""Compressed video, decoded by FFmpeg."""
