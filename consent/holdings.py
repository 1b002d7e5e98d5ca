"""What this room holds: decisions, kept as proof (GDPR 7(1)); current choices; messages."""

from django.utils.translation import gettext_lazy as _

from consent.models import State
from datamap.holding import Erasing, Holding, Personal, Source
from datamap.registry import declare, declare_impersonal

CHOICE = "user.privacy_preferences"

declare(
    Holding(
        key="consent.event",
        model="consent.Event",
        title=_("What you decided, and the words you saw"),
        staff_title=_("Decisions, and the words that were shown"),
        subject="subject",
        personal=(
            Personal("kind", CHOICE),
            Personal("key", CHOICE),
            Personal("decision", CHOICE),
            Personal(
                "fields", CHOICE, contents="names of the fields that were filled in, no values"
            ),
            Personal("surface", CHOICE, source=Source.SITE),
            Personal("channel", CHOICE, source=Source.SITE),
            Personal("locale", "user.demographic.language"),
            Personal("at", CHOICE, source=Source.SITE),
        ),
        other=("id", "subject", "policy_digest", "words", "evidence"),
        clocks={"decided": "at"},
        # A decision that still stands is still needed, however old it is.
        due={"choice__isnull": True},
        erasing=Erasing.KEEP,
        ground="accountability",
    ),
    Holding(
        key="consent.choice",
        model="consent.Choice",
        title=_("Your choices as they stand"),
        staff_title=_("Choices as they stand"),
        subject="subject",
        personal=(
            Personal("kind", CHOICE),
            Personal("key", CHOICE),
            Personal("decision", CHOICE),
            Personal("since", CHOICE, source=Source.SITE),
        ),
        other=("id", "subject", "event"),
    ),
    Holding(
        key="consent.mail",
        model="consent.Message",
        title=_("Mail we sent you"),
        staff_title=_("Mail to people"),
        subject="subject",
        personal=(
            Personal("address_hash", "user.contact.email", source=Source.SITE, secret=True),
            Personal("sealed", "user.contact.email", secret=True),
            Personal("category", "user.account.settings", source=Source.SITE),
            Personal("template", "user.account.settings", source=Source.SITE),
            Personal("language", "user.demographic.language"),
            Personal("posted_at", "user.behavior", source=Source.SITE),
            Personal("sent_at", "user.behavior", source=Source.SITE),
            Personal("message_id", "user.unique_id", source=Source.SITE),
            Personal("token_hash", "user.unique_id", source=Source.SITE, secret=True),
            Personal("decision", "user.unique_id.pseudonymous", source=Source.SITE),
        ),
        other=(
            "id",
            "subject",
            "template_digest",
            "policy_digest",
            "state",
            "footer",
            "attempts",
            "failure",
            "due_at",
            "lease_until",
            "ended_at",
        ),
        # "sent" also runs for what could not be, or was not to be, sent.
        clocks={"sent": "ended_at", "posted": "posted_at"},
        # The answer to an erasure goes out after it; `consent.delivery` removes it once sent.
        spare={
            "category": "answer",
            "state__in": (State.HELD.value, State.QUEUED.value, State.SENDING.value),
        },
        ground="accountability",
    ),
)
declare_impersonal(
    "consent.Words", "digest", "locale", "text: words of the site, the same for everybody"
)
