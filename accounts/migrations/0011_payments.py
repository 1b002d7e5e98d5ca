"""Payments."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_staff_duties")]

    operations: list[migrations.operations.base.Operation] = []
