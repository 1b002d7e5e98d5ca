"""From now on the database counts accounts and birth dates that come and go."""

from django.db import migrations

from audit.movements import Followed, follow


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_api_key"),
        ("audit", "0003_movements"),
    ]

    operations = [
        follow(
            Followed(
                table="accounts_user",
                key="id",
                clocks=("date_joined", "unconfirmed_since"),
                owner="r.subject_id",
            )
        ),
        follow(
            Followed(
                table="accounts_ageverdict",
                key="id",
                clocks=("passed_at",),
                owner="r.subject_id",
            )
        ),
    ]
