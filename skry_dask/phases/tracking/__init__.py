"""What track is made of."""
