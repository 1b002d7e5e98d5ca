"""Rows that come and go, counted by the database; and an end for evidence."""

from datetime import timedelta

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from audit.append_only import Expiry, create_function
from audit.movements import ADD_UP


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_expire_append_only")]

    operations = [
        migrations.CreateModel(
            name="Movement",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("of_table", models.CharField(max_length=63)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("statement", "Statement"),
                            ("opening", "Opening"),
                            ("sum", "Sum"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "way",
                    models.CharField(choices=[("came", "Came"), ("went", "Went")], max_length=4),
                ),
                ("rows", models.BigIntegerField()),
                ("keys", models.DecimalField(decimal_places=0, max_digits=40)),
                ("reason", models.CharField(blank=True, max_length=20)),
                ("refs", models.JSONField()),
                ("named", models.CharField(blank=True, max_length=64)),
                ("strangers", models.BigIntegerField()),
                ("clocks", models.JSONField()),
            ],
            options={"abstract": False},
        ),
        migrations.AddIndex(
            model_name="movement",
            index=models.Index(
                fields=["of_table"], include=("way", "rows", "keys"), name="audit_movement_sums"
            ),
        ),
        migrations.AddIndex(
            model_name="movement",
            index=models.Index(
                condition=models.Q(kind="statement", way="went"),
                fields=["of_table", "at"],
                name="audit_movement_went",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="movement",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="eab3077ed8490c51edbaa4e840192f88694ad13c",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_80ab3",
                    table="audit_movement",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.RunSQL(sql=ADD_UP, reverse_sql="DROP FUNCTION public.kept_add_up_movements()"),
        create_function(
            Expiry(
                model="audit.Evidence",
                table="audit_evidence",
                clock="at",
                floor=timedelta(days=90),
            )
        ),
    ]
