"""Controls of this room, declared for the promise board. The checks are in `consent.checks`."""

from django.utils.translation import gettext_lazy as _

from audit.control import Control, Sort, declare
from consent import checks, probes

declare(
    Control(
        key="consent.transfer",
        sentence=_("Nobody's data is sent to another country without their standing consent."),
        how=_(
            "For every person we hold data about, we look up the last decision in the ledger and "
            "compare the words they saw with the question of the policy of that day."
        ),
        sort=Sort.QUERY,
        check=checks.transfer,
    ),
    Control(
        key="consent.voluntary-mail",
        sentence=_("News and offers go only to people whose choice lets them."),
        how=_(
            "For every such message that left, we work out from the ledger what the person's "
            "choice was at the instant of sending, and what the policy of that day made of it."
        ),
        sort=Sort.QUERY,
        check=checks.voluntary_mail,
    ),
    Control(
        key="consent.account-mail",
        sentence=_("Messages about an account go out whatever was refused, and hold no offers."),
        how=_(
            "Every such message that was due has been sent or turned away by its recipient's "
            "server, and was made from a text on the list of approved ones."
        ),
        sort=Sort.QUERY,
        check=checks.account_mail,
    ),
    Control(
        key="consent.refusal-line",
        sentence=_("Every message lets its reader refuse offers, and the link works."),
        how=_(
            "We read the end of every message as it left, and press the link of a trial message "
            "of each kind as a stranger's browser would; the trial is then undone."
        ),
        sort=Sort.PROBE,
        check=probes.refusal_line,
    ),
    Control(
        key="consent.collection",
        sentence=_("Whatever we know, the person handed over at a place the policy names."),
        how=_(
            "Every person whose address we hold has an earlier entry in the ledger that says where "
            "they entered it; place and fields are among those the policy of that day names."
        ),
        sort=Sort.QUERY,
        check=checks.collection,
    ),
)
