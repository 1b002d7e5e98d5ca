"""Whose data is held, and where: `Subject`, `Holding`."""
