"""Same person."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_payments")]

    operations: list[migrations.operations.base.Operation] = []
