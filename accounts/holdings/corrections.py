"""What people said about their own data."""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Holding, Personal, Source
from datamap.registry import declare

declare(
    Holding(
        key="accounts.confirmation",
        model="accounts.Confirmation",
        title=_("When you last checked or corrected your data"),
        staff_title=_("When people last checked or corrected their data"),
        subject="subject",
        personal=(
            Personal("said", "user.behavior", source=Source.SITE),
            Personal("at", "user.behavior", source=Source.SITE),
        ),
        other=("id", "subject", "holding", "field", "row"),
    ),
)
