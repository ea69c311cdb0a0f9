"""Gaussian seeing: fields of displacement and blur that are smooth in space and time."""
