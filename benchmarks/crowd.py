"""Many people at once: rows as the product would have written them, made by Postgres itself.

Foreign keys and triggers are off while filling, so what refers must exist. Keys are version 7 of
the right age, as the product's are: the order of keys decides how many pages are touched.
"""

from __future__ import annotations

from typing import Any, Final

Filling = tuple[str, dict[str, Any]]

_PEOPLE: Final = """
INSERT INTO datamap_subject
    (id, email, external_id, locked, restricted, minor, created_at, erased_at)
SELECT uuidv7(created - now()), %(name)s || i || '@example.com', NULL,
    false, false, false, created, NULL
FROM (SELECT i, now() - interval '4 years' + i * interval '10 seconds' AS created
      FROM generate_series(1, %(people)s) AS i) AS one
"""
_ACCOUNTS: Final = """
INSERT INTO accounts_user
    (id, subject_id, email, password, first_name, last_name, is_active, is_staff, is_superuser,
     date_joined)
SELECT uuidv7(created_at - now()), id, email, '!', 'Robin', 'Example', true, false, false,
    created_at
FROM datamap_subject ORDER BY created_at
"""
_REQUESTS: Final = """
INSERT INTO requests_request
    (id, reference, subject_id, kind, channel, state, language, policy_digest, received_at,
     verified_at, due_at, approvals_needed, decision, decided_at, closed_at, words)
SELECT uuidv7(received - now()), upper(substr(md5(%(salt)s || i), 1, 12)), whose.id,
    'inquiry', 'form', 'completed', 'en', repeat('0', 64), received,
    received, received + interval '30 days', 1, 'approved', received + interval '2 days',
    received + interval '3 days', decode(repeat(md5(i::text), 8), 'hex')
FROM (SELECT i, now() - %(age)s::interval - (%(rows)s - i) * interval '10 seconds' AS received
      FROM generate_series(1, %(rows)s) AS i) AS one
JOIN (SELECT id, row_number() OVER (ORDER BY id) AS number FROM datamap_subject) AS whose
    ON whose.number = one.i %% (SELECT count(*) FROM datamap_subject) + 1
"""
_OPEN: Final = """
UPDATE requests_request SET state = 'in_review', decision = '', decided_at = NULL,
    closed_at = NULL, due_at = now() + interval '20 days'
WHERE id IN (SELECT DISTINCT ON (subject_id) id FROM requests_request
             ORDER BY subject_id, received_at DESC LIMIT %(count)s)
"""
_EVENTS: Final = """
INSERT INTO requests_requestevent (id, request_id, step, at, until)
SELECT uuidv7(received_at - now()), id, 'received', received_at, NULL FROM requests_request
ORDER BY received_at
"""
_LETTERS: Final = """
INSERT INTO requests_letter
    (id, request_id, message_id, template, text_digest, has_copies_notice, at)
SELECT uuidv7(closed_at - now()), id, gen_random_uuid(), 'deletion_done', repeat('0', 64), true,
    closed_at
FROM requests_request WHERE closed_at IS NOT NULL ORDER BY closed_at
"""
# Five kinds of data about everybody whose address begins with `name`, `each` rows of every kind.
_FIVE: Final = (
    """
INSERT INTO consent_message
    (id, subject_id, category, template, template_digest, language, policy_digest, state,
     address_hash, message_id, token_hash, attempts, failure, posted_at, due_at, sent_at, ended_at)
SELECT uuidv7(i * interval '1 hour' - interval '2 years'), s.id, 'account', 'account_welcome',
    repeat('0', 64), 'en', repeat('0', 64), 'sent', md5(s.email),
    gen_random_uuid() || '@example.com',
    md5(s.id || 'a' || i) || md5(s.id || 'b' || i), 1, '', s.created_at, s.created_at,
    s.created_at, s.created_at
FROM datamap_subject AS s, generate_series(1, %(each)s) AS i WHERE s.email LIKE %(name)s
""",
    """
INSERT INTO accounts_session
    (session_key, session_data, expire_date, user_id, handle, persistent, created_at)
SELECT md5(u.id || 'k' || i), repeat('x', 120), now() + interval '1 day', u.id,
    md5(u.id || 'h' || i), false, u.date_joined
FROM accounts_user AS u, generate_series(1, %(each)s) AS i WHERE u.email LIKE %(name)s
""",
    """
INSERT INTO requests_request
    (id, reference, subject_id, kind, channel, state, language, policy_digest, received_at,
     verified_at, due_at, approvals_needed, decision, decided_at, closed_at, words)
SELECT uuidv7(i * interval '1 hour' - interval '2 years'),
    upper(substr(md5(s.id || 'r' || i), 1, 12)), s.id, 'inquiry', 'form', 'completed', 'en',
    repeat('0', 64), s.created_at, s.created_at, s.created_at + interval '30 days', 1, 'approved',
    s.created_at + interval '2 days', s.created_at + interval '3 days',
    decode(repeat(md5(s.email), 8), 'hex')
FROM datamap_subject AS s, generate_series(1, %(each)s) AS i WHERE s.email LIKE %(name)s
""",
    """
INSERT INTO account_emailaddress (email, verified, "primary", user_id)
SELECT i || u.email, true, i = 1, u.id
FROM accounts_user AS u, generate_series(1, %(each)s) AS i WHERE u.email LIKE %(name)s
""",
    """
INSERT INTO account_emailconfirmation (created, sent, key, email_address_id)
SELECT now(), now(), md5(a.id || 'c') || md5(a.id || 'd'), a.id
FROM account_emailaddress AS a JOIN accounts_user AS u ON u.id = a.user_id
WHERE u.email LIKE %(name)s
""",
)


def people(count: int, *, name: str = "person") -> Filling:
    """That many subjects with an address, four years old."""
    return _PEOPLE, {"people": count, "name": name}


def accounts() -> Filling:
    """An account for each person there is."""
    return _ACCOUNTS, {}


def requests(count: int, *, age: str, salt: str = "") -> Filling:
    """That many closed requests, the newest `age` old; of the people there are, in turns."""
    return _REQUESTS, {"rows": count, "age": age, "salt": salt}


def opened(count: int) -> Filling:
    """So many requests wait for a decision, of as many people."""
    return _OPEN, {"count": count}


def events() -> Filling:
    """One event for each request there is."""
    return _EVENTS, {}


def letters() -> Filling:
    """One letter for each answered request there is."""
    return _LETTERS, {}


def five_holdings(rows: int, *, name: str) -> list[Filling]:
    """So many rows about each such person, spread over mail, log-ins, requests, addresses and
    confirmations.
    """
    return [(text, {"each": max(rows // 5, 1), "name": f"{name}%"}) for text in _FIVE]
