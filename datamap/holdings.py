"""What this room holds about people: the subject row itself."""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Erasing, Holding, Personal, Source
from datamap.registry import declare

declare(
    Holding(
        key="datamap.subject",
        model="datamap.Subject",
        title=_("Your proved e-mail address"),
        staff_title=_("Proved e-mail addresses"),
        subject="pk",
        personal=(
            Personal("email", "user.contact.email"),
            Personal("external_id", "user.unique_id", source=Source.SITE),
            Personal("minor", "user.demographic.age_range", source=Source.SITE),
        ),
        other=("id", "locked", "restricted", "created_at", "erased_at"),
        erasing=Erasing.ANONYMISE,
        blank={
            "email": None,
            "external_id": None,
            "minor": False,
            "locked": True,
            "restricted": False,
        },
    )
)
