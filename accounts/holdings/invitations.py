"""Invitations, addresses that nobody may invite, and how many invitations somebody made."""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Erasing, Holding, Personal, Source
from datamap.registry import declare

EMAIL = "user.contact.email"
SOCIAL = "user.social"

declare(
    Holding(
        key="accounts.invitation",
        model="accounts.Invitation",
        title=_("Invitations to you"),
        staff_title=_("Invitations"),
        # The friend's, never the inviter's: in a copy of the inviter's data the rows that are
        # missing would tell whose address was removed (GDPR 15(4)).
        subject="invitee",
        also=("inviter",),
        personal=(
            Personal("address_hash", EMAIL, source=Source.OTHER_PERSON, secret=True),
            Personal(
                "token_hash",
                "user.authorization.credentials",
                source=Source.SITE,
                secret=True,
            ),
            Personal("invited_at", SOCIAL, source=Source.OTHER_PERSON),
            Personal("accepted_at", SOCIAL),
        ),
        other=("id", "handle", "inviter", "invitee", "message"),
        clocks={"invited": "invited_at"},
    ),
    Holding(
        key="accounts.suppression",
        model="accounts.Suppression",
        title=_("That nobody may invite you"),
        staff_title=_("Addresses that nobody may invite"),
        subject="subject",
        personal=(
            Personal("address_hash", EMAIL, secret=True),
            Personal("basis", "user.privacy_preferences"),
            Personal("removed_at", "user.privacy_preferences"),
        ),
        other=("id", "subject", "key_version"),
        clocks={"removed": "removed_at"},
        erasing=Erasing.KEEP,
        ground="accountability",
    ),
    Holding(
        key="accounts.referral",
        model="accounts.Referral",
        title=_("How many people you invited"),
        staff_title=_("How many people were invited"),
        subject="inviter",
        personal=(
            Personal("day", SOCIAL, source=Source.SITE),
            Personal("made", SOCIAL, source=Source.SITE),
            Personal("accepted", SOCIAL, source=Source.SITE),
        ),
        other=("id", "inviter"),
    ),
)
