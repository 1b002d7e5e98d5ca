"""Profiles, and who was allowed to see what of them."""

from django.utils.translation import gettext_lazy as _

from accounts.photos import delete_files, files_of
from datamap.holding import Holding, Personal, Source
from datamap.registry import declare

PAGE = "accounts:profile"  # where the person changes it, and says who sees it

declare(
    Holding(
        key="accounts.profile",
        model="accounts.Profile",
        title=_("Your profile"),
        staff_title=_("Profiles"),
        subject="subject",
        personal=(
            Personal("phone", "user.contact.phone_number", correctable=True, page=PAGE),
            Personal("address", "user.contact.address", correctable=True, page=PAGE),
            Personal("postcode", "user.contact.address.postal_code", correctable=True, page=PAGE),
            Personal(
                "about",
                "user.content",
                correctable=True,
                page=PAGE,
                contents="what the person writes about themselves",
            ),
            Personal("interests", "user.content", correctable=True, page=PAGE),
            Personal("networks", "user.social", correctable=True, page=PAGE),
            Personal("photo", "user.content.self_image"),
            Personal("handle", "user.unique_id.pseudonymous", source=Source.SITE),
        ),
        other=("id", "subject", "photo_at", "guarded", "opened_at", "changed_at"),
        removable=True,
        lasting=True,
        outside=delete_files,
        files=files_of,
    ),
    Holding(
        key="accounts.profile_setting",
        model="accounts.ProfileSetting",
        title=_("Who sees your profile, now and before"),
        staff_title=_("Settings of who sees a profile"),
        subject="subject",
        personal=(
            Personal("key", "user.privacy_preferences"),
            Personal("audience", "user.privacy_preferences"),
        ),
        other=("id", "subject", "since", "until"),
        clocks={"replaced": "until"},
    ),
)
