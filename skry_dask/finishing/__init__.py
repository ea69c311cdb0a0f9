"""Finishing: from stacks to the picture that people show.

Everything here takes images and gives images. It knows nothing of captures: what a stack's own
frames say of it (half stacks, how often a pixel was seen) comes with the image.
"""
