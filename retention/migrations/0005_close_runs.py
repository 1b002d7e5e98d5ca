"""Runs that a killed worker left open are closed, steps learn whether they only counted."""

from django.db import migrations

CLOSE = """
    UPDATE retention_sweeprun
    SET state = 'left', finished_at = coalesce(finished_at, started_at)
    WHERE state IN ('running', 'paused')
"""
MARK = """
    UPDATE retention_sweepstep SET dry_run = true
    FROM retention_sweeprun run WHERE run.id = run_id AND run.dry_run
"""
NAME = """
    UPDATE retention_sweeprun SET reference = substr(md5(gen_random_uuid()::text), 1, 24)
    WHERE reference IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [("retention", "0004_runs_and_brakes")]

    operations = [
        migrations.RunSQL(
            CLOSE,
            "UPDATE retention_sweeprun SET state = 'paused' WHERE state IN ('left', 'braked')",
        ),
        migrations.RunSQL(MARK, migrations.RunSQL.noop),
        migrations.RunSQL(NAME, migrations.RunSQL.noop),
    ]
