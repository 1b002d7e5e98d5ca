"""The only way in which entries of the log and of staff access end."""

from datetime import timedelta

from django.db import migrations, models

from audit.append_only import Expiry, create_function


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="staffaccess",
            index=models.Index(fields=["at"], name="audit_access_at"),
        ),
        create_function(
            Expiry(
                model="audit.AuditEntry",
                table="audit_auditentry",
                clock="at",
                floor=timedelta(days=30),
                blanks={
                    "facts": """'{"expired": true}'::jsonb""",
                    "actor_id": "NULL",
                    "subject_id": "NULL",
                    "object_id": "''",
                },
            )
        ),
        create_function(
            Expiry(
                model="audit.StaffAccess",
                table="audit_staffaccess",
                clock="at",
                floor=timedelta(days=30),
            )
        ),
    ]
