"""Darks, flats, bad pixels and colour: from raw frames to grey ones and to planes."""
