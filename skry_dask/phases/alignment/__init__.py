"""What align is made of."""
