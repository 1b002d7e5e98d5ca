"""Profiles."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_session_asked")]

    operations: list[migrations.operations.base.Operation] = []
