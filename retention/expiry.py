"""How the ledger of decisions ends: like the logs, through a function of its own."""

from audit.append_only import FLOOR, Expiry, declare

EVENTS = declare(Expiry(model="consent.Event", table="consent_event", clock="at", floor=FLOOR))
