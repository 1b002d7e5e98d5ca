"""Dates of birth."""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Holding, Personal, Source
from datamap.registry import declare

declare(
    Holding(
        key="accounts.age",
        model="accounts.AgeVerdict",
        title=_("Your date of birth"),
        staff_title=_("Dates of birth"),
        subject="subject",
        personal=(
            Personal(
                "born_on",
                "user.demographic.date_of_birth",
                correctable=True,
                page="accounts:birth_date",
            ),
            Personal("minor", "user.demographic.age_range", source=Source.SITE),
        ),
        other=(
            "id",
            "subject",
            "passed_at",
            "youngest",
            "policy_digest",
            "source",
            "corrected_at",
            "grown_at",
        ),
        clocks={"passed": "passed_at"},
        lasting=True,
    ),
)
