"""What the site promises: file format, versions, changes."""
