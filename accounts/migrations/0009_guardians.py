"""Parents who are asked for a child, and when somebody was told that they had come of age."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Q

import accounts.models.handles
import datamap.models


class Migration(migrations.Migration):
    atomic = False  # nobody waits while the index over birth dates is built

    dependencies = [
        ("accounts", "0008_invitations"),
        ("datamap", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="ageverdict", name="grown_at", field=models.DateTimeField(null=True)
        ),
        AddIndexConcurrently(
            model_name="ageverdict",
            index=models.Index(
                condition=Q(minor=True), fields=["born_on"], name="accounts_age_of_minors"
            ),
        ),
        migrations.CreateModel(
            name="Guardianship",
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
                    "subject",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="guardianship",
                        to="datamap.subject",
                    ),
                ),
                (
                    "guardian",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="wards",
                        to="datamap.subject",
                    ),
                ),
                ("address", models.BinaryField(null=True)),
                ("address_hash", models.CharField(blank=True, db_index=True, max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "asked"),
                            ("agreed", "agreed, not verified yet"),
                            ("verified", "agreed and verified"),
                        ],
                        default="asked",
                        max_length=10,
                    ),
                ),
                ("asked_at", models.DateTimeField()),
                ("answer_until", models.DateTimeField(null=True)),
                ("token_hash", models.CharField(max_length=64, unique=True)),
                ("code_hash", models.CharField(blank=True, max_length=64)),
                ("code_sent_at", models.DateTimeField(null=True)),
                ("code_tries", models.PositiveSmallIntegerField(default=0)),
                ("agreed_at", models.DateTimeField(null=True)),
                (
                    "method",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("form", "A signed form, by post or e-mail"),
                            ("call", "A telephone call"),
                            ("video", "A video call"),
                            ("payment", "A payment by card, announced to the holder"),
                        ],
                        max_length=10,
                    ),
                ),
                ("contact", models.BinaryField(null=True)),
                ("words_digest", models.CharField(blank=True, max_length=64)),
                ("disclosure", models.BooleanField(default=False)),
                ("verified_at", models.DateTimeField(null=True)),
                ("verified_by", models.UUIDField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=Q(answer_until__isnull=False),
                        fields=["answer_until"],
                        name="accounts_guardian_waiting",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(answer_until=None, state="verified")
                        | Q(answer_until__gt=F("asked_at"), state__in=["asked", "agreed"]),
                        name="accounts_guardian_waits_till_an_end",
                    ),
                    models.CheckConstraint(
                        condition=Q(agreed_at=None, disclosure=False, method="", state="asked")
                        | Q(
                            agreed_at__isnull=False, method__gt="", state__in=["agreed", "verified"]
                        ),
                        name="accounts_guardian_agreed_somehow",
                    ),
                    models.CheckConstraint(
                        condition=Q(contact=None, state="verified", verified_at__gte=F("agreed_at"))
                        & Q(verified_by__isnull=False)
                        | Q(state__in=["asked", "agreed"], verified_at=None, verified_by=None),
                        name="accounts_guardian_verified_by_somebody",
                    ),
                    models.CheckConstraint(
                        condition=Q(guardian__isnull=False) | Q(address=None, address_hash=""),
                        name="accounts_guardian_erased_has_no_address",
                    ),
                    models.CheckConstraint(
                        condition=~Q(guardian=F("subject")), name="accounts_guardian_is_another"
                    ),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="guardianship",
            trigger=pgtrigger.compiler.Trigger(
                name="forget_guardian",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition=(
                        'WHEN (NEW."guardian_id" IS NULL AND OLD."guardian_id" IS NOT NULL)'
                    ),
                    func=(
                        "NEW.address = NULL; NEW.address_hash = ''; NEW.code_hash = ''; RETURN NEW;"
                    ),
                    hash="d1987c97a47d9c325152e81436ad27fe2fe02e85",
                    operation='UPDATE OF "guardian_id"',
                    pgid="pgtrigger_forget_guardian_e910b",
                    table="accounts_guardianship",
                    when="BEFORE",
                ),
            ),
        ),
    ]
