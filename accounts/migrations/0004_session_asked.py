"""A log-in that outlives its browser names the entry of the log in which it was asked for."""

from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    ValidateConstraint,
)
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False  # nobody waits while the index is built

    dependencies = [("accounts", "0003_follow_lasting_rows")]

    operations = [
        migrations.AddField(
            model_name="session", name="asked_id", field=models.UUIDField(null=True)
        ),
        AddIndexConcurrently(
            model_name="session",
            index=models.Index(
                condition=Q(persistent=True), fields=["asked_id"], name="accounts_session_stays"
            ),
        ),
        AddConstraintNotValid(
            model_name="session",
            constraint=models.CheckConstraint(
                condition=Q(persistent=False) | Q(asked_id__isnull=False),
                name="accounts_session_stays_if_asked",
            ),
        ),
        ValidateConstraint(model_name="session", name="accounts_session_stays_if_asked"),
    ]
