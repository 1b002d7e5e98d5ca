"""Connections, questions for one, and blocks.

A row of two people is declared once for each of them, so that it stands in both packages (each
with the other taken out) and goes with whoever goes first. A block is its author's alone: the
other person is not told of it, so it is not in their package (GDPR 15(4)).
"""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Holding, Personal, Source
from datamap.registry import declare

SOCIAL = "user.social"

declare(
    Holding(
        key="accounts.connection",
        model="accounts.Connection",
        title=_("Your connections that you asked for"),
        staff_title=_("Connections, of those who asked"),
        subject="asker",
        personal=(Personal("asked", SOCIAL, source=Source.OTHER_PERSON), Personal("since", SOCIAL)),
        other=("id", "asker", "handle"),
        lasting=True,
    ),
    Holding(
        key="accounts.connection_agreed",
        model="accounts.Connection",
        title=_("Your connections that others asked for"),
        staff_title=_("Connections, of those who were asked"),
        subject="asked",
        personal=(Personal("asker", SOCIAL, source=Source.OTHER_PERSON), Personal("since", SOCIAL)),
        other=("id", "asked", "handle"),
        lasting=True,
    ),
    Holding(
        key="accounts.connection_request",
        model="accounts.ConnectionRequest",
        title=_("Connections you asked for, without an answer"),
        staff_title=_("Questions for a connection, of those who asked"),
        subject="asker",
        personal=(
            Personal("asked", SOCIAL),
            Personal("asked_at", SOCIAL),
            Personal("withdrawn_at", SOCIAL),
            # The other's no is the other's: whoever asked is not told.
            Personal("declined_at", SOCIAL, source=Source.OTHER_PERSON, secret=True),
        ),
        other=("id", "asker", "handle"),
        clocks={"asked": "asked_at", "declined": "declined_at"},
    ),
    Holding(
        key="accounts.connection_request_received",
        model="accounts.ConnectionRequest",
        title=_("People who asked to connect with you"),
        staff_title=_("Questions for a connection, of those who were asked"),
        subject="asked",
        personal=(
            Personal("asker", SOCIAL, source=Source.OTHER_PERSON),
            Personal("asked_at", SOCIAL, source=Source.OTHER_PERSON),
            Personal("declined_at", SOCIAL),
            # That the other gave up is the other's.
            Personal("withdrawn_at", SOCIAL, source=Source.OTHER_PERSON, secret=True),
        ),
        other=("id", "asked", "handle"),
    ),
    Holding(
        key="accounts.block",
        model="accounts.Block",
        title=_("People you blocked"),
        staff_title=_("Blocks between people"),
        subject="blocker",
        personal=(Personal("blocked", SOCIAL), Personal("since", SOCIAL)),
        other=("id", "blocker", "handle"),
        also=("blocked",),
    ),
)
