"""The ledger: events that stay, and where choices stand."""

from __future__ import annotations

from tests.factories.consent import decided, make_subject, posted


def test_core(policy) -> None:
    subject = make_subject()
    event = decided(subject, "given")
    assert decided(subject, "given").pk == event.pk
    message = posted(subject.pk)
    assert message.state == "queued"
