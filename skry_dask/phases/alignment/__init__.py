"""The parts of the align phase: thumbnails, templates, key frames and frame records."""
