"""Two subjects that belong to one person."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

import datamap.models


class Migration(migrations.Migration):
    dependencies = [("datamap", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="SubjectMerge",
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
                ("reason", models.BinaryField(null=True)),
                ("merged_at", models.DateTimeField()),
                ("merged_by", models.UUIDField()),
                ("undone_at", models.DateTimeField(null=True)),
                ("undone_by", models.UUIDField(null=True)),
                (
                    "kept",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="datamap.subject",
                    ),
                ),
                (
                    "merged",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="datamap.subject",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=~Q(kept=F("merged")), name="datamap_merge_of_two"
                    ),
                    models.UniqueConstraint(
                        fields=["merged"],
                        condition=Q(undone_at=None),
                        name="datamap_merge_once",
                    ),
                    models.CheckConstraint(
                        condition=Q(undone_at=None, undone_by=None)
                        | Q(undone_at__gte=F("merged_at"), undone_by__isnull=False),
                        name="datamap_merge_undone_by_somebody",
                    ),
                ],
                "indexes": [
                    models.Index(fields=["kept", "merged"], name="datamap_merge_kept"),
                    models.Index(fields=["merged", "kept"], name="datamap_merge_merged"),
                    models.Index(fields=["undone_at"], name="datamap_merge_undone"),
                ],
            },
        ),
    ]
