"""Connections."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_profiles")]

    operations: list[migrations.operations.base.Operation] = []
