"""Invitations: mail to somebody who is nobody's subject, once per address."""

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models
from django.db.models import Q

ONE = "consent_message_one_invitation"
HAS_SUBJECT = "consent_message_voluntary_has_subject"


class Migration(migrations.Migration):
    atomic = False  # nobody waits while the index is built

    dependencies = [("consent", "0001_initial")]

    operations = [
        migrations.RemoveConstraint(model_name="message", name=HAS_SUBJECT),
        AddConstraintNotValid(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=Q(category__in=("account", "answer", "staff", "invitation"))
                | Q(subject__isnull=False),
                name=HAS_SUBJECT,
            ),
        ),
        ValidateConstraint(model_name="message", name=HAS_SUBJECT),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"CREATE UNIQUE INDEX CONCURRENTLY {ONE} ON consent_message (address_hash)"
                    " WHERE category = 'invitation' AND NOT state = 'refused'",
                    f"DROP INDEX CONCURRENTLY {ONE}",
                )
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="message",
                    constraint=models.UniqueConstraint(
                        fields=["address_hash"],
                        condition=Q(category="invitation") & ~Q(state="refused"),
                        name=ONE,
                    ),
                )
            ],
        ),
    ]
