"""Images of one object at different times, placed and lit alike, as pictures of a movie."""
