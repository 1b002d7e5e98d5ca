"""What a policy with contributed facts or invitations must say, too (WC-10, WC-11, WC-20)."""

from __future__ import annotations

from collections.abc import Iterator

from accounts import invitations
from accounts.facts import CHOICE, POINT
from consent.models import INVITATION
from policy import references
from policy.complaints import Mistake
from policy.document import Document


@references.add
def contributed_facts_are_decided_about(document: Document) -> Iterator[Mistake]:
    """The feature needs the words beside the form, and a purpose of that name needs a yes."""
    if not document.features.contributed_facts:
        return
    if document.collection_point(POINT) is None:
        yield Mistake(
            ("features", "contributed_facts"),
            f"Nothing says what stands beside the form: no collection point {POINT!r}.",
            f'Add a [[collection_points]] table with key = "{POINT}".',
        )
    for place, purpose in enumerate(document.purposes):
        if purpose.key == CHOICE and purpose.legal_basis != "consent":
            yield Mistake(
                ("purposes", place, "legal_basis"),
                "Nobody adds to a profile without its owner's yes.",
                'Write legal_basis = "consent".',
            )


@references.add
def invitations_are_explained_and_end(document: Document) -> Iterator[Mistake]:
    """The feature needs the words beside the form, and an end of whatever is kept of an address."""
    for place, category in enumerate(document.mail_categories):
        if category.key == INVITATION:
            message = f"{INVITATION!r} is the name of another kind of mail."
            yield Mistake(("mail_categories", place, "key"), message, "Choose another key.")
    if not document.features.invitations:
        return
    here = ("features", "invitations")
    if document.collection_point(invitations.POINT) is None:
        point = invitations.POINT
        message = f"Nothing says what stands beside the form: no collection point {point!r}."
        fix = f'Add a [[collection_points]] table with key = "{point}".'
        yield Mistake(here, message, fix)
    for holding in ("accounts.invitation", "accounts.suppression", "consent.mail"):
        if not document.rules_for(holding):
            message = f"Nothing says when {holding} ends."
            yield Mistake(here, message, f'Add a [[retention]] table with holding = "{holding}".')
