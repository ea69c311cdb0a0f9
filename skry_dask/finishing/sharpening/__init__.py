"""Sharpening: restoring the contrast of fine detail that the telescope and the air took away."""
