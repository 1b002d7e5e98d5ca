"""Hypothesis tries the same examples on every run and machine, however slow the machine is.

To look for new ones: `pytest --hypothesis-profile=default`.
"""

from hypothesis import settings

settings.register_profile("kept", derandomize=True, deadline=None)
settings.load_profile("kept")
