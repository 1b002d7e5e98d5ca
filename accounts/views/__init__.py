"""This room's pages, a file for each subject."""
