"""Globes of the Sun and the planets: their rotation, and what of it is seen from the Earth."""
