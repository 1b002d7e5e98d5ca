"""Parents who were asked for a child."""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Holding, Personal, Source
from datamap.registry import declare

declare(
    Holding(
        key="accounts.guardianship",
        model="accounts.Guardianship",
        title=_("A parent's consent"),
        staff_title=_("Parents asked for a child"),
        subject="subject",
        also=("guardian",),
        personal=(
            Personal("guardian", "user.unique_id.pseudonymous", source=Source.SITE),
            Personal(
                "address",
                "user.contact.email",
                contents="the e-mail address of the parent, as the child gave it, encrypted",
            ),
            Personal("address_hash", "user.contact.email", source=Source.SITE, secret=True),
            Personal(
                "contact",
                "user.contact",
                source=Source.OTHER_PERSON,
                contents="what the parent wrote to be verified by, encrypted; dropped after that",
            ),
            Personal("token_hash", "user.authorization", source=Source.SITE, secret=True),
            Personal("code_hash", "user.authorization", source=Source.SITE, secret=True),
        ),
        other=(
            "id",
            "handle",
            "subject",
            "state",
            "asked_at",
            "answer_until",
            "code_sent_at",
            "code_tries",
            "agreed_at",
            "method",
            "words_digest",
            "disclosure",
            "verified_at",
            "verified_by",
        ),
    ),
)
