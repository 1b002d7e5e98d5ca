"""What higher rooms may want to know.

account_created: `subject_id`, `user_id`, `now`; sent inside the creating transaction.
address_confirmed: `subject_id`, `now`; inside the transaction.
child_learned: `subject_id`, `arrived_at`, `restricted_before` (whether the person was restricted
for another reason already), `now`; inside the transaction that locked the person.
"""

from django.dispatch import Signal

account_created = Signal()
address_confirmed = Signal()
child_learned = Signal()
