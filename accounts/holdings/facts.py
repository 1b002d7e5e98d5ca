"""What others said about people."""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Holding, Personal, Source
from datamap.registry import declare

declare(
    Holding(
        key="accounts.fact",
        model="accounts.Fact",
        title=_("What others said about you"),
        staff_title=_("What others said about people"),
        subject="subject",
        personal=(
            Personal("text", "user.content", source=Source.OTHER_PERSON),
            Personal("source", "user.content", source=Source.OTHER_PERSON),
            Personal("origin", "user.content", source=Source.SITE),
            Personal("contributor", "user.social", source=Source.OTHER_PERSON),
            Personal("state", "user.content", source=Source.SITE),
            Personal("audience", "user.privacy_preferences"),
            Personal("received_at", "user.content", source=Source.SITE),
            Personal("accepted_at", "user.behavior"),
            Personal("announced_at", "user.behavior", source=Source.SITE),
        ),
        other=("id", "subject", "handle", "cause", "announcement"),
        clocks={"received": "received_at"},
        # What the person accepted stays until they remove it.
        due={"accepted_at__isnull": True},
        also=("contributor",),
    ),
)
