"""Seeing by wave optics: phase screens in the wind, the telescope, and images patch by patch."""
