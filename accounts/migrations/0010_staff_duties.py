"""Staff duties."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_guardians")]

    operations: list[migrations.operations.base.Operation] = []
