"""This room's pages on the privacy centre and the staff console."""

from django.utils.translation import gettext_lazy as _

from accounts import approval, child_reports, loss_reports, merging
from accounts.invitations import has_invitations
from accounts.payments import takes_payments
from accounts.visibility import has_profiles
from accounts.waiting import asking, has_connections, undecided
from audit.access import Scope, Section, add_scope, add_to_privacy_centre, add_to_staff_console
from audit.errands import Errand, add_errand

add_to_privacy_centre(
    Section(
        key="accounts.profile",
        title=_("Profile"),
        text=_("What others can know about you here, and who sees which part."),
        url="accounts:profile",
        order=12,
        shown=has_profiles,
    )
)
add_to_privacy_centre(
    Section(
        key="accounts.people",
        title=_("Find people"),
        text=_("By name, or by what they say about themselves, as far as they let you see it."),
        url="accounts:people",
        order=13,
        shown=has_profiles,
    )
)
add_scope(Scope(key="invitations:read", text=_("See how many people you invited.")))
add_scope(Scope(key="invitations:write", text=_("Invite people by e-mail in your name.")))
add_scope(Scope(key="people:read", text=_("See other people as you see them.")))
add_scope(Scope(key="profile:read", text=_("See your profile, and who sees which part.")))
add_scope(Scope(key="profile:write", text=_("Change your profile, and who sees which part.")))
add_to_privacy_centre(
    Section(
        key="accounts.invitations",
        title=_("Invitations"),
        text=_("Invite a friend by e-mail, and answer who invites you."),
        url="accounts:invitations",
        order=16,
        shown=has_invitations,
    )
)
add_to_privacy_centre(
    Section(
        key="accounts.corrections",
        title=_("Correct your data"),
        text=_("Look at what you gave us, say that it is still right, or change it."),
        url="accounts:corrections",
        order=32,
    )
)
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
add_to_privacy_centre(
    Section(
        key="accounts.connections",
        title=_("Connections"),
        text=_("Who you are connected with, who asks, and whom you blocked."),
        url="accounts:connections",
        order=14,
        summary=asking,
        shown=has_connections,
    )
)
add_to_privacy_centre(
    Section(
        key="accounts.facts",
        title=_("What others said about you"),
        text=_("Facts that did not come from you, with their source. You decide about them."),
        url="accounts:facts",
        order=15,
        summary=undecided,
    )
)
add_scope(
    Scope(
        key="facts:write",
        text=_("Deliver facts about people from a source that the policy names."),
        site=True,
    )
)
add_to_privacy_centre(
    Section(
        key="accounts.payments",
        title=_("Cards and payments"),
        text=_("The cards we can charge for you, and each time that was done."),
        url="accounts:payments",
        order=68,
        shown=takes_payments,
    )
)
add_to_staff_console(
    Section(
        key="accounts.losses",
        title=_("Lost or stolen"),
        text=_("Accounts that are stopped because a password or card is said to be lost."),
        url="accounts:losses",
        permission="accounts.losses",
        order=45,
    )
)
add_scope(
    Scope(
        key="payments:write",
        text=_("Open and close payments, and keep cards for them."),
        site=True,
    )
)
add_scope(
    Scope(
        key="payments:read",
        text=_("Read what pays, inside an open payment of its owner."),
        site=True,
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
add_errand(
    Errand(
        key=loss_reports.ERRAND,
        title=_("A report of something lost or stolen"),
        spans=loss_reports.spans,
        open_of=loss_reports.open_of,
    )
)
add_errand(
    Errand(
        key=approval.ERRAND,
        title=_("A decision of two people"),
        spans=approval.spans,
        open_of=approval.open_of,
    )
)
add_to_privacy_centre(
    Section(
        key="accounts.accesses",
        title=_("Who looked"),
        text=_("When our staff read your data, in which role, for what and why."),
        url="accounts:accesses",
        order=75,
    )
)
add_to_staff_console(
    Section(
        key="accounts.person",
        title=_("Find a person"),
        text=_("Whose account an address belongs to, for an open task that is about them."),
        url="accounts:find_person",
        permission="accounts.find_person",
        order=50,
    )
)
add_to_staff_console(
    Section(
        key="accounts.approvals",
        title=_("Decisions of two people"),
        text=_("What somebody asked for and a second person has to agree to."),
        url="accounts:approvals",
        permission="accounts.approvals",
        order=20,
    )
)
add_to_staff_console(
    Section(
        key="accounts.team",
        title=_("The team"),
        text=_("Who has which role, and whose undertaking or training is ending."),
        url="accounts:team",
        permission="accounts.team",
        order=80,
    )
)
add_to_staff_console(
    Section(
        key="accounts.same_person",
        title=_("Two addresses, one person"),
        text=_("Hold two addresses for one person’s, once two of you agree, or take it back."),
        url="accounts:same_person",
        permission=merging.ASK,
        order=45,
    )
)
add_errand(
    Errand(
        key=merging.ERRAND,
        title=_("Finding out whether two addresses are one person’s"),
        spans=merging.spans,
        open_of=merging.open_of,
    )
)
