"""What this room offers on the hubs."""

from django.utils.translation import gettext_lazy as _

from audit.access import Scope, Section, add_scope, add_to_privacy_centre

add_to_privacy_centre(
    Section(
        key="choices",
        title=_("Your choices"),
        text=_("What you agreed to and when, each with a switch and its history."),
        url="consent:choices",
        order=10,
    )
)
add_scope(Scope(key="choices:read", text=_("See your choices and their history.")))
add_scope(Scope(key="choices:write", text=_("Say yes or no for you, in the words you were shown.")))
