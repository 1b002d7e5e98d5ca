"""Guardians."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_invitations")]

    operations: list[migrations.operations.base.Operation] = []
