"""Tone: brightness and colour of a finished image, pixel by pixel."""
