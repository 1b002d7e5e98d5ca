"""Addresses of this room; the sign-up stands in front of allauth's."""

from django.urls import path, register_converter

from accounts.views import (
    approval,
    birth_date,
    children,
    connections,
    corrections,
    devices,
    emergency,
    facts,
    guardians,
    invitations,
    keys,
    merging,
    payments,
    people,
    profiles,
    reading,
    registration,
    removals,
    staff,
)


class HoldingKey:
    """A holding's key, as the data map writes it."""

    regex = r"[a-z][a-z0-9_]*\.[a-z0-9_]+"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(HoldingKey, "holding")

app_name = "accounts"
urlpatterns = [
    path("accounts/age/", registration.age, name="age"),
    path("accounts/age/advice/", registration.age_advice, name="age_advice"),
    path("accounts/signup/", registration.signup, name="signup"),
    path("accounts/locked/", registration.locked, name="locked"),
    path("accounts/paused/", emergency.paused, name="paused"),
    path("report/stolen/", emergency.stolen, name="stolen"),
    path("report/stolen/done/", emergency.stolen_done, name="stolen_done"),
    path("report/stolen/<str:token>/", emergency.loss, name="loss"),
    path("privacy/payments/", payments.payments, name="payments"),
    path("privacy/payments/<slug:handle>/remove/", payments.remove_card, name="remove_card"),
    path("privacy/data/correct/", corrections.corrections, name="corrections"),
    path(
        "privacy/data/correct/<holding:holding>/<slug:row>/",
        corrections.correct_entry,
        name="correct",
    ),
    path(
        "privacy/data/correct/<holding:holding>/<slug:row>/remove/",
        corrections.remove_entry,
        name="remove",
    ),
    path(
        "privacy/data/remove/<holding:holding>/",
        corrections.remove_entry,
        name="remove_all",
    ),
    path("people/", people.search, name="people"),
    path("people/<handle>/", people.person, name="person"),
    path("people/<handle>/photo/", people.photo, name="photo"),
    path("privacy/profile/", profiles.profile, name="profile"),
    path("privacy/profile/as/<slug:who>/", profiles.profile_as, name="profile_as"),
    path("privacy/invitations/", invitations.invitations, name="invitations"),
    path(
        "privacy/invitations/<slug:handle>/",
        invitations.answer_invitation,
        name="answer_invitation",
    ),
    path(
        "invitations/remove/",
        removals.invitation_address,
        {"wish": "remove"},
        name="remove_address",
    ),
    path("invitations/lift/", removals.invitation_address, {"wish": "lift"}, name="lift_removal"),
    path("invitations/proved/<str:token>/", removals.invitation_proved, name="invitation_proved"),
    path("invitations/<slug:token>/", invitations.invitation, name="invitation"),
    path("invitations/<slug:token>/remove/", removals.invitation_remove, name="invitation_remove"),
    path("people/<slug:handle>/connect/", connections.ask_person, name="ask_person"),
    path("people/<slug:handle>/block/", connections.block_person, name="block_person"),
    path("people/<slug:handle>/facts/", facts.tell_fact, name="tell_fact"),
    path("privacy/connections/", connections.connections, name="connections"),
    path(
        "privacy/connections/<slug:handle>/<slug:act>/",
        connections.act_on_connection,
        name="act_on_connection",
    ),
    path("privacy/facts/", facts.facts, name="facts"),
    path("privacy/facts/<slug:handle>/<slug:act>/", facts.act_on_fact, name="act_on_fact"),
    path("privacy/birth-date/", birth_date.birth_date, name="birth_date"),
    path("privacy/birth-date/grown-up/", birth_date.end_careful, name="end_careful_settings"),
    path("guardians/done/", guardians.done, name="guardian_done"),
    path("guardians/<slug:token>/", guardians.guardian, name="guardian"),
    path("guardians/<slug:token>/code/", guardians.send_code, name="guardian_send_code"),
    path("guardians/<slug:token>/open/", guardians.give_code, name="guardian_give_code"),
    path("guardians/<slug:token>/agree/", guardians.agree, name="guardian_agree"),
    path("guardians/<slug:token>/refuse/", guardians.refuse, name="guardian_refuse"),
    path("guardians/<slug:token>/others/", guardians.change_disclosure, name="guardian_disclosure"),
    path("guardians/<slug:token>/withdraw/", guardians.withdraw, name="guardian_withdraw"),
    path("privacy/devices/", devices.devices, name="devices"),
    path("privacy/devices/end/", devices.end_devices, name="end_devices"),
    path("privacy/devices/<slug:handle>/end/", devices.end_device, name="end_device"),
    path("privacy/api-keys/", keys.api_keys, name="api_keys"),
    path("privacy/api-keys/<slug:handle>/end/", keys.end_api_key, name="end_api_key"),
    path("privacy/accesses/", reading.accesses, name="accesses"),
    path("staff/people/", reading.find, name="find_person"),
    path("staff/duties/", staff.duties, name="duties"),
    path("staff/deputies/", staff.deputies, name="deputies"),
    path("staff/deputies/<slug:handle>/end/", staff.end_deputy, name="end_deputy"),
    path("staff/team/", staff.team, name="team"),
    path("staff/team/appoint/", staff.appoint, name="appoint"),
    path("staff/team/<slug:handle>/", staff.colleague, name="colleague"),
    path("staff/team/<slug:handle>/dismiss/", staff.dismiss, name="dismiss"),
    path("staff/approvals/", approval.approvals, name="approvals"),
    path("staff/approvals/<slug:handle>/", approval.one, name="approval"),
    path("staff/approvals/<slug:handle>/approve/", approval.approve, name="approve"),
    path("staff/approvals/<slug:handle>/refuse/", approval.refuse, name="refuse"),
    path("staff/approvals/<slug:handle>/withdraw/", approval.withdraw, name="withdraw"),
    path("staff/stolen/", emergency.losses, name="losses"),
    path("staff/stolen/<slug:reference>/", emergency.settle, name="settle_loss"),
    path("staff/people/merge/", merging.same_person, name="same_person"),
    path("staff/children/report/", children.report, name="report_child"),
]
