"""Resolution: how fine the detail is that an image shows, from two images of the same scene."""
