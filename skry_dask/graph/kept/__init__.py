"""What is known from before is taken into a graph, and what is done now is kept."""
