"""Profiles, and the history of who may see them; the database counts profiles that come and go."""

import django.db.models.deletion
from django.db import migrations, models

import accounts.models.handles
import datamap.models
from audit.movements import Followed, follow


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_session_asked"),
        ("audit", "0003_movements"),
        ("datamap", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Profile",
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
                ("phone", models.BinaryField(null=True, verbose_name="phone number")),
                ("address", models.BinaryField(null=True, verbose_name="postal address")),
                ("postcode", models.BinaryField(null=True, verbose_name="postal code")),
                ("about", models.TextField(blank=True, max_length=2000, verbose_name="about you")),
                (
                    "interests",
                    models.CharField(blank=True, max_length=500, verbose_name="interests"),
                ),
                ("networks", models.CharField(blank=True, max_length=500, verbose_name="networks")),
                ("photo", models.CharField(blank=True, max_length=40, verbose_name="photo")),
                ("photo_at", models.DateTimeField(null=True)),
                ("guarded", models.BooleanField(default=False)),
                ("opened_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                (
                    "subject",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="profile",
                        to="datamap.subject",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("photo", ""), _negated=True),
                        fields=("photo",),
                        name="accounts_profile_photo_unique",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("photo", ""), ("photo_at__isnull", True)),
                            models.Q(
                                ("photo__regex", "^[0-9a-f]{32}\\.jpg$"),
                                ("photo_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="accounts_profile_photo_named",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ProfileSetting",
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
                ("key", models.CharField(max_length=20, verbose_name="part of the profile")),
                (
                    "audience",
                    models.CharField(
                        choices=[
                            ("nobody", "Only me"),
                            ("connections", "My connections"),
                            ("members", "Members"),
                            ("everyone", "Everyone"),
                        ],
                        max_length=11,
                        verbose_name="seen by",
                    ),
                ),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField(null=True)),
                (
                    "subject",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="profile_settings",
                        to="datamap.subject",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["subject", "key", "since"], name="accounts_profile_setting_of"
                    ),
                    models.Index(fields=["until"], name="accounts_profile_setting_until"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("until__isnull", True)),
                        fields=("subject", "key"),
                        name="accounts_profile_setting_current",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("audience__in", ["nobody", "connections", "members", "everyone"])
                        ),
                        name="accounts_profile_setting_audience_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("until__isnull", True),
                            ("until__gte", models.F("since")),
                            _connector="OR",
                        ),
                        name="accounts_profile_setting_ends_after",
                    ),
                ],
            },
        ),
        follow(Followed(table="accounts_profile", key="id", clocks=(), owner="r.subject_id")),
    ]
