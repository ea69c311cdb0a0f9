"""``skry``: the command line."""
