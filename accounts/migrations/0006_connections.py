"""Connections with what was asked before, blocks, and what others said about people."""

import django.db.models.deletion
import django.db.models.functions.comparison
from django.db import migrations, models

import accounts.models.handles
import datamap.models
from audit.movements import Followed, follow


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_profiles"),
        ("audit", "0003_movements"),
        ("datamap", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Connection",
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
                ("since", models.DateTimeField(verbose_name="connected since")),
                (
                    "asked",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="connections_agreed_to",
                        to="datamap.subject",
                        verbose_name="who agreed",
                    ),
                ),
                (
                    "asker",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="connections_asked_for",
                        to="datamap.subject",
                        verbose_name="who asked",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.comparison.Least("asker", "asked"),
                        django.db.models.functions.comparison.Greatest("asker", "asked"),
                        name="accounts_connection_one_per_pair",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("asker", models.F("asked")), _negated=True),
                        name="accounts_connection_of_two",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ConnectionRequest",
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
                ("asked_at", models.DateTimeField(verbose_name="asked")),
                ("declined_at", models.DateTimeField(null=True, verbose_name="declined")),
                ("withdrawn_at", models.DateTimeField(null=True, verbose_name="taken back")),
                (
                    "asked",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="connection_requests_received",
                        to="datamap.subject",
                        verbose_name="who was asked",
                    ),
                ),
                (
                    "asker",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="connection_requests_sent",
                        to="datamap.subject",
                        verbose_name="who asked",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["asked_at"], name="accounts_conn_request_asked"),
                    models.Index(fields=["declined_at"], name="accounts_conn_request_declined"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.comparison.Least("asker", "asked"),
                        django.db.models.functions.comparison.Greatest("asker", "asked"),
                        name="accounts_connection_request_one_per_pair",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("asker", models.F("asked")), _negated=True),
                        name="accounts_connection_request_of_two",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("withdrawn_at__isnull", True),
                            ("declined_at__isnull", False),
                            _connector="OR",
                        ),
                        name="accounts_connection_request_open_ones_end",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Block",
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
                ("since", models.DateTimeField(verbose_name="blocked since")),
                (
                    "blocked",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="blocked_by",
                        to="datamap.subject",
                        verbose_name="who is blocked",
                    ),
                ),
                (
                    "blocker",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="blocks",
                        to="datamap.subject",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("blocker", "blocked"), name="accounts_block_one_per_pair"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("blocked__isnull", True),
                            models.Q(("blocker", models.F("blocked")), _negated=True),
                            _connector="OR",
                        ),
                        name="accounts_block_of_two",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Fact",
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
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("member", "another member"),
                            ("outside", "an outside source"),
                        ],
                        max_length=8,
                        verbose_name="from",
                    ),
                ),
                ("source", models.CharField(max_length=200, verbose_name="source")),
                ("text", models.CharField(max_length=500, verbose_name="what was said")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waits for your answer"),
                            ("accepted", "accepted"),
                            ("on file", "kept on file"),
                        ],
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                (
                    "audience",
                    models.CharField(default="nobody", max_length=11, verbose_name="seen by"),
                ),
                ("cause", models.UUIDField()),
                ("received_at", models.DateTimeField(verbose_name="received")),
                ("accepted_at", models.DateTimeField(null=True, verbose_name="accepted on")),
                ("announced_at", models.DateTimeField(null=True, verbose_name="told to you")),
                ("announcement", models.UUIDField(null=True)),
                (
                    "contributor",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="facts_contributed",
                        to="datamap.subject",
                        verbose_name="who told it",
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="facts",
                        to="datamap.subject",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["subject", "state", "received_at"], name="accounts_fact_subject"
                    ),
                    models.Index(fields=["received_at"], name="accounts_fact_received"),
                    models.Index(
                        condition=models.Q(("announced_at__isnull", True)),
                        fields=["subject"],
                        name="accounts_fact_unannounced",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("source", ""), _negated=True),
                            models.Q(("text", ""), _negated=True),
                        ),
                        name="accounts_fact_says_something",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("origin", "member"),
                            ("contributor__isnull", True),
                            _connector="OR",
                        ),
                        name="accounts_fact_outside_has_no_member",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("accepted_at__isnull", False), ("state", "accepted")),
                            models.Q(
                                models.Q(("state", "accepted"), _negated=True),
                                ("accepted_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="accounts_fact_accepted_has_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("audience", "nobody"),
                            models.Q(
                                ("audience__in", ("connections", "members", "everyone")),
                                ("state", "accepted"),
                            ),
                            _connector="OR",
                        ),
                        name="accounts_fact_seen_once_accepted",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "on file"), _negated=True),
                            ("origin", "outside"),
                            _connector="OR",
                        ),
                        name="accounts_fact_on_file_is_outside",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("announced_at__isnull", True), ("announcement__isnull", True)
                            ),
                            models.Q(
                                ("announced_at__isnull", False), ("announcement__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="accounts_fact_announced_by_message",
                    ),
                ],
            },
        ),
        # A connection goes with whichever of its two people is named.
        follow(
            Followed(
                table="accounts_connection",
                key="id",
                clocks=(),
                owner="CASE WHEN r.asked_id = ANY(people) THEN r.asked_id ELSE r.asker_id END",
            )
        ),
    ]
