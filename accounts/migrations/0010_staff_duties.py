"""What binds the staff: undertakings, training, deputies, and what two people decide."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import accounts.models.handles
import datamap.models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_guardians"),
        ("datamap", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Approval",
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
                ("what", models.CharField(max_length=60)),
                ("details", models.JSONField(default=dict)),
                ("digest", models.CharField(max_length=64)),
                ("note", models.BinaryField(null=True)),
                ("asked_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                (
                    "decision",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "waits"),
                            ("approved", "approved"),
                            ("refused", "refused"),
                            ("withdrawn", "withdrawn"),
                            ("expired", "expired"),
                        ],
                        max_length=10,
                    ),
                ),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "about",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="approvals_about",
                        to="datamap.subject",
                    ),
                ),
                (
                    "asked_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="approvals_asked",
                        to="datamap.subject",
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="datamap.subject",
                    ),
                ),
                (
                    "in_place_of",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="datamap.subject",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["expires_at"], name="accounts_approval_end"),
                    models.Index(
                        condition=models.Q(("decision", "")),
                        fields=["asked_at"],
                        name="accounts_approval_waits",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("about__isnull", True),
                            models.Q(("about", models.F("asked_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="accounts_approval_not_for_oneself",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decision__in", ["approved", "refused"]), _negated=True),
                            models.Q(
                                ("decided_by__isnull", False),
                                models.Q(("decided_by", models.F("asked_by")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="accounts_approval_by_another",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("about__isnull", True),
                            ("decided_by__isnull", True),
                            models.Q(("decided_by", models.F("about")), _negated=True),
                            _connector="OR",
                        ),
                        name="accounts_approval_not_on_oneself",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_at__isnull", True), ("decision", "")),
                            models.Q(
                                models.Q(("decision", ""), _negated=True),
                                ("decided_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="accounts_approval_decision_has_a_time",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("about__isnull", False), ("decision", "")),
                        fields=("what", "about"),
                        name="accounts_approval_one_open",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Deputy",
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
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("named_at", models.DateTimeField()),
                ("named_by", models.UUIDField()),
                (
                    "deputy",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="stands_in_for",
                        to="datamap.subject",
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deputies",
                        to="datamap.subject",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deputies",
                "indexes": [models.Index(fields=["ends_at"], name="accounts_deputy_end")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("member", models.F("deputy")), _negated=True),
                        name="accounts_deputy_is_another",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("ends_at__gte", models.F("starts_at"))),
                        name="accounts_deputy_ends_later",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Training",
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
                ("course", models.CharField(max_length=120, verbose_name="course")),
                ("done_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField()),
                ("recorded_by", models.UUIDField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="trainings",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["ends_at"], name="accounts_training_end")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("ends_at__gt", models.F("done_at"))),
                        name="accounts_training_ends_later",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("recorded_by__isnull", True),
                            models.Q(("recorded_by", models.F("user")), _negated=True),
                            _connector="OR",
                        ),
                        name="accounts_training_by_another",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Undertaking",
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
                ("words", models.TextField()),
                ("signed_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="undertakings",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["ends_at"], name="accounts_undertaking_end")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("ends_at__gt", models.F("signed_at"))),
                        name="accounts_undertaking_ends_later",
                    )
                ],
            },
        ),
    ]
