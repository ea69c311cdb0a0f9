"""``skry view``: a capture, its job and its results on a page in the browser."""
