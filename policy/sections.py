"""What this room offers on the hubs."""

from django.utils.translation import gettext_lazy as _

from audit.access import Section, add_to_staff_console

add_to_staff_console(
    Section(
        key="promises",
        title=_("Promises"),
        text=_("Which promises are kept right now, the evidence, and what breaks one."),
        url="policy:staff_promises",
        permission="audit.promises",
        order=60,
    )
)
