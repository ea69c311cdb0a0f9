"""Images, one file per format, and sequences of them."""
