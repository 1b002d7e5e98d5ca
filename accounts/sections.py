"""This room's pages on the privacy centre and the staff console."""

from django.utils.translation import gettext_lazy as _

from accounts import child_reports
from audit.access import Section, add_to_privacy_centre, add_to_staff_console
from audit.errands import Errand, add_errand

add_to_privacy_centre(
    Section(
        key="accounts.devices",
        title=_("Devices"),
        text=_("Where you are signed in. Sign any browser out from here."),
        url="accounts:devices",
        order=60,
    )
)
add_to_privacy_centre(
    Section(
        key="accounts.api_keys",
        title=_("API keys"),
        text=_("Let a program of your own use your data here, as far as you allow."),
        url="accounts:api_keys",
        order=65,
    )
)
add_to_privacy_centre(
    Section(
        key="accounts.birth_date",
        title=_("Date of birth"),
        text=_("See the date we hold, and correct it."),
        url="accounts:birth_date",
        order=70,
    )
)
add_to_staff_console(
    Section(
        key="accounts.report_child",
        title=_("Report a child's account"),
        text=_("Somebody told us that an account is a child's: lock it and start the clock."),
        url="accounts:report_child",
        permission="accounts.report_child",
        order=40,
    )
)
add_errand(
    Errand(
        key=child_reports.ERRAND,
        title=_("A report that the account is a child's"),
        spans=child_reports.spans,
        open_of=child_reports.open_of,
    )
)
