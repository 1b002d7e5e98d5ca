"""What a person says about themselves, and who may see it."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models.handles import new_handle
from datamap.models import Subject, new_id


class Audience(models.TextChoices):
    """Who sees a field of a profile."""

    NOBODY = "nobody", _("Only me")
    CONNECTIONS = "connections", _("My connections")
    MEMBERS = "members", _("Members")
    EVERYONE = "everyone", _("Everyone")


class Profile(models.Model):
    """What stands in a person's profile besides their name. `handle` names it in URLs.

    `phone`, `address` and `postcode` are encrypted. `photo` is the name of a file in the storage
    `photos`, which has no address of its own. `guarded`: whatever the person did not set is seen
    by connections at most; so for people under age, and from then on until they set it otherwise.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.OneToOneField(Subject, on_delete=models.PROTECT, related_name="profile")
    handle = models.CharField(max_length=32, unique=True, default=new_handle)
    phone = models.BinaryField(_("phone number"), null=True)
    address = models.BinaryField(_("postal address"), null=True)
    postcode = models.BinaryField(_("postal code"), null=True)
    about = models.TextField(_("about you"), max_length=2000, blank=True)
    interests = models.CharField(_("interests"), max_length=500, blank=True)
    networks = models.CharField(_("networks"), max_length=500, blank=True)
    photo = models.CharField(_("photo"), max_length=40, blank=True)
    photo_at = models.DateTimeField(null=True)
    guarded = models.BooleanField(default=False)
    opened_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["photo"], condition=~Q(photo=""), name="accounts_profile_photo_unique"
            ),
            models.CheckConstraint(
                condition=Q(photo="", photo_at__isnull=True)
                | Q(photo__regex=r"^[0-9a-f]{32}\.jpg$", photo_at__isnull=False),
                name="accounts_profile_photo_named",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class ProfileSetting(models.Model):
    """Who saw a field of a profile from `since` until `until`; the current one has no end.

    A field without a row was never set, and its default holds. Old rows stay for the policy's
    period: what others did under a setting is judged by the setting of its day (WC-20).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.ForeignKey(
        Subject, on_delete=models.PROTECT, related_name="profile_settings", db_index=False
    )
    key = models.CharField(_("part of the profile"), max_length=20)
    audience = models.CharField(_("seen by"), max_length=11, choices=Audience.choices)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "key"],
                condition=Q(until__isnull=True),
                name="accounts_profile_setting_current",
            ),
            models.CheckConstraint(
                condition=Q(audience__in=Audience.values),
                name="accounts_profile_setting_audience_known",
            ),
            models.CheckConstraint(
                condition=Q(until__isnull=True) | Q(until__gte=F("since")),
                name="accounts_profile_setting_ends_after",
            ),
        ]
        indexes = [
            models.Index(fields=["subject", "key", "since"], name="accounts_profile_setting_of"),
            models.Index(fields=["until"], name="accounts_profile_setting_until"),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.audience}"
