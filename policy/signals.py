"""What this room tells the rooms above it."""

from django.dispatch import Signal

# Sent inside the publishing transaction: a receiver that fails stops the publication.
# Arguments: version (PolicyVersion), material (bool), now (aware datetime).
published = Signal()
