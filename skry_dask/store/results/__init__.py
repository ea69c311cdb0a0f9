"""Results of phases in a store: written once, found by digest."""
