"""Registration of an image to another one: a shift, and what differs from place to place."""
