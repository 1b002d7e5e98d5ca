"""Invitations, addresses that nobody may invite, and counts of both."""

import django.db.models.deletion
from django.db import migrations, models

import accounts.models.handles
import datamap.models

HASH = "^[0-9a-f]{64}$"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_corrections"), ("datamap", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=datamap.models.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "handle",
                    models.CharField(
                        default=accounts.models.handles.new_handle, max_length=32, unique=True
                    ),
                ),
                ("address_hash", models.CharField(max_length=64)),
                ("token_hash", models.CharField(max_length=64, null=True, unique=True)),
                ("message", models.UUIDField(null=True, unique=True)),
                ("invited_at", models.DateTimeField()),
                ("accepted_at", models.DateTimeField(null=True)),
                (
                    "invitee",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="invitations",
                        to="datamap.subject",
                    ),
                ),
                (
                    "inviter",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="invitations_made",
                        to="datamap.subject",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["address_hash"], name="accounts_invitation_address"),
                    models.Index(fields=["invited_at"], name="accounts_invitation_invited"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("inviter", "address_hash"), name="accounts_invitation_once_each"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("address_hash__regex", HASH)),
                        name="accounts_invitation_hashed",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("accepted_at__isnull", True),
                            ("invitee__isnull", False),
                            _connector="OR",
                        ),
                        name="accounts_invitation_accepted_by_somebody",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("token_hash__isnull", True),
                            ("message__isnull", False),
                            _connector="OR",
                        ),
                        name="accounts_invitation_token_was_mailed",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Referral",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=datamap.models.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("day", models.DateField(verbose_name="day")),
                (
                    "made",
                    models.PositiveIntegerField(default=0, verbose_name="invitations made"),
                ),
                (
                    "accepted",
                    models.PositiveIntegerField(default=0, verbose_name="invitations accepted"),
                ),
                (
                    "inviter",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="referrals",
                        to="datamap.subject",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("inviter", "day"), name="accounts_referral_one_a_day"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("accepted__lte", models.F("made"))),
                        name="accounts_referral_fits",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Suppression",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=datamap.models.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("address_hash", models.CharField(max_length=64)),
                ("key_version", models.CharField(max_length=12)),
                (
                    "basis",
                    models.CharField(
                        choices=[
                            ("link", "by the link in an invitation"),
                            ("form", "by the form, proved by mail"),
                            ("desk", "asked of us in another way"),
                        ],
                        max_length=10,
                    ),
                ),
                ("removed_at", models.DateTimeField()),
                (
                    "subject",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="suppressions",
                        to="datamap.subject",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["removed_at"], name="accounts_suppression_removed")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("address_hash", "key_version"), name="accounts_suppression_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("address_hash__regex", HASH)),
                        name="accounts_suppression_hashed",
                    ),
                ],
            },
        ),
    ]
