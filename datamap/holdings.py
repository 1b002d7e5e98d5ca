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
    ),
    Holding(
        key="datamap.same_person",
        model="datamap.SubjectMerge",
        title=_("That two of your addresses belong together"),
        staff_title=_("People with two addresses"),
        subject="kept",
        personal=(
            Personal("kept", "user.unique_id.pseudonymous", source=Source.SITE),
            Personal("merged", "user.unique_id.pseudonymous", source=Source.SITE),
            Personal(
                "reason",
                "user.account",
                source=Source.SITE,
                contents="why staff held the two for one person, encrypted",
            ),
        ),
        other=("id", "merged_at", "merged_by", "undone_at", "undone_by"),
        clocks={"finished": "undone_at"},
        # Two bare random ids stay, so that an erasure that was begun for one reaches the other.
        erasing=Erasing.ANONYMISE,
        blank={"reason": None},
    ),
)
