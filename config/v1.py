"""Addresses of version 1 of the API. Included after the rooms', whose converters they use."""

from django.urls import path

from accounts.api import Me
from accounts.fact_api import FactsView
from accounts.invitation_api import InvitationsView
from accounts.payment_api import ClosePaymentView, PaymentsView, PaysView
from accounts.profile_api import OwnViewOfPersonView, PersonView, ProfileView
from consent.api import ChoicesView, ChoiceView, HistoryView
from policy import api as policy
from requests.api import RequestsView, RequestView, WithdrawView

urlpatterns = [
    path("policy/", policy.PolicyView.as_view(), name="api_policy"),
    path("policy/versions/", policy.VersionsView.as_view(), name="api_versions"),
    path(
        "policy/versions/<path:which>/source/",
        policy.SourceView.as_view(),
        name="api_version_source",
    ),
    path("policy/versions/<path:which>/", policy.VersionView.as_view(), name="api_version"),
    path("promises/", policy.PromisesView.as_view(), name="api_promises"),
    path("promises/<slug:promise_id>/", policy.PromiseView.as_view(), name="api_promise"),
    path("data-map/", policy.DataMapView.as_view(), name="api_data_map"),
    path("facts/", FactsView.as_view(), name="api_facts"),
    path("payments/", PaymentsView.as_view(), name="api_payments"),
    path("payments/<str:reference>/close/", ClosePaymentView.as_view(), name="api_close_payment"),
    path("payments/<str:reference>/card/", PaysView.as_view(), name="api_read_card"),
    path("me/", Me.as_view(), name="api_me"),
    path("me/profile/", ProfileView.as_view(), name="api_profile"),
    path("me/people/<handle>/", OwnViewOfPersonView.as_view(), name="api_person_as_own"),
    path("me/invitations/", InvitationsView.as_view(), name="api_invitations"),
    path("people/<handle>/", PersonView.as_view(), name="api_person"),
    path("me/choices/", ChoicesView.as_view(), name="api_choices"),
    path("me/choices/<slug:kind>/<slug:key>/", ChoiceView.as_view(), name="api_choice"),
    path(
        "me/choices/<slug:kind>/<slug:key>/history/",
        HistoryView.as_view(),
        name="api_choice_history",
    ),
    path("me/requests/", RequestsView.as_view(), name="api_requests"),
    path("me/requests/<reference:reference>/", RequestView.as_view(), name="api_request"),
    path(
        "me/requests/<reference:reference>/withdraw/", WithdrawView.as_view(), name="api_withdraw"
    ),
]
