"""What people type on this room's pages, a file for each subject."""
