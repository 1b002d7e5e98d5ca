"""What this room tells the rooms above it, inside the transaction of the change.

A receiver that fails undoes the change; one that only wants to know later uses
`transaction.on_commit`.
"""

from django.dispatch import Signal

# Every event of a choice. Arguments: subject_id (UUID), kind, key, decision (str), at (aware
# datetime), event_id (UUID), actor (audit.log.Actor).
changed = Signal()
# A yes that stood was taken back. Same arguments.
withdrawn = Signal()
