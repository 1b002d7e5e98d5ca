"""What this room tells the rooms above it."""

from django.dispatch import Signal

# A person's data is gone and that was verified. Sent inside the final transaction: what a receiver
# writes is stored together with the erasure's end, and a receiver that fails undoes that end.
# Arguments: subject_id (UUID), erasure_id (UUID), at (aware datetime).
erased = Signal()

# An erasure was taken back before it began. Sent inside the cancelling transaction.
# Arguments: subject_id (UUID), erasure_id (UUID), at (aware datetime).
cancelled = Signal()
