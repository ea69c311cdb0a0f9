"""Folders and URLs of stores: whole or not there, checked and locked."""
