"""One open run at a time, and an end for every one that is not."""

from django.db import migrations, models

import retention.sweep_tables


class Migration(migrations.Migration):
    dependencies = [("retention", "0005_close_runs")]

    operations = [
        migrations.AlterField(
            model_name="sweeprun",
            name="reference",
            field=models.CharField(
                default=retention.sweep_tables.new_reference,
                editable=False,
                max_length=24,
                null=True,
                unique=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="sweeprun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("dry_run", False), ("state__in", ["running", "paused"])),
                fields=("only",),
                name="retention_run_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="sweeprun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at", None), ("state__in", ["running", "paused"])),
                    models.Q(
                        ("finished_at__isnull", False),
                        ("state__in", ["done", "braked", "failed", "left"]),
                    ),
                    _connector="OR",
                ),
                name="retention_run_ended_has_time",
            ),
        ),
    ]
