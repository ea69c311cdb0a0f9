"""What stack is made of."""
