"""The only way in which decisions in the consent ledger end."""

from datetime import timedelta

from django.db import migrations

from audit.append_only import Expiry, create_function


class Migration(migrations.Migration):
    dependencies = [
        ("retention", "0001_initial"),
        ("audit", "0002_expire_append_only"),
        ("consent", "0001_initial"),
    ]

    operations = [
        create_function(
            Expiry(
                model="consent.Event",
                table="consent_event",
                clock="at",
                floor=timedelta(days=30),
            )
        ),
    ]
