"""What higher rooms may want to know.

account_created: `subject_id`, `user_id`, `now`; sent inside the creating transaction.
address_confirmed: `subject_id`, `now`; inside the transaction.
child_learned: `subject_id`, `arrived_at`, `restricted_before` (whether the person was restricted
for another reason already), `now`; inside the transaction that locked the person.
guardian_answered: `subject_id` of the child, `answer` (agreed, refused, withdrawn, deletion),
`until` (for agreed: by when staff have to verify it), `now`; inside the answer's transaction.
data_corrected: `subject_id`, `holding` (its key), `fields` (names, no values), `now`; inside the
transaction of the correction. Whoever passed the data on passes the correction on (GDPR 19).
"""

from django.dispatch import Signal

account_created = Signal()
address_confirmed = Signal()
child_learned = Signal()
guardian_answered = Signal()
data_corrected = Signal()
