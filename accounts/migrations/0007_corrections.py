"""What people said about their own data: that it is right, or that they corrected it."""

import django.db.models.deletion
from django.db import migrations, models

import datamap.models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_connections")]

    operations: list[migrations.operations.base.Operation] = [
        migrations.CreateModel(
            name="Confirmation",
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
                ("holding", models.CharField(max_length=100)),
                ("field", models.CharField(max_length=63)),
                ("row", models.CharField(max_length=32)),
                (
                    "said",
                    models.CharField(
                        choices=[("right", "it is right"), ("corrected", "corrected")],
                        max_length=10,
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "subject",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="confirmations",
                        to="datamap.subject",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("subject", "holding", "row", "field"),
                        name="accounts_confirmation_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("said__in", ["right", "corrected"])),
                        name="accounts_confirmation_said",
                    ),
                ],
            },
        ),
    ]
