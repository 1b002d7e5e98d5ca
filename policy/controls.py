"""What keeps the promises about the policy itself, checked on the pages as served.

The checks read the stored files with a TOML parser of their own and the pages through the whole
stack (urls, middleware, templates), never the memory in `policy.current` or a parsed `Document`.
"""

from __future__ import annotations

import hashlib
import html
import re
import tomllib
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.db.models import DateTimeField, Q, QuerySet
from django.test import Client
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from audit import control
from audit.control import Control, Finding, Sort
from audit.models import AuditEntry
from datamap import registry
from datamap.holding import Holding, Personal, Source
from policy.eras import eras
from policy.models import PolicyVersion
from policy.vocabulary import BASES

Data = dict[str, Any]
# Columns that tell when a row was made, the first that a table has.
MADE = (
    "created_at",
    "date_joined",
    "received_at",
    "arrived_at",
    "asked_at",
    "posted_at",
    "passed_at",
    "action_time",
    "created",
    "since",
    "at",
)


def check_versions(now: datetime) -> Finding:
    """CC-1: nothing published is missing, altered or unreadable.

    The digests come from the audit log, written when each version was published; the bytes from
    the page everybody can read.
    """
    published = dict(
        AuditEntry.objects.filter(verb="policy.published").values_list(
            "facts__number", "facts__digest"
        )
    )
    stored = dict(PolicyVersion.objects.values_list("number", "digest"))
    wrong: set[object] = {n for n in published | stored if published.get(n) != stored.get(n)}
    wrong |= set(range(1, max(published | stored, default=0) + 1)) - set(stored)
    wrong |= _altered_in_the_table()
    listed = _get("/policy/versions/").content.decode()
    for number, digest in stored.items():
        address = f"/policy/versions/{digest}/"
        text = _get(f"{address}policy.toml")
        served = text.status_code == 200 and hashlib.sha256(text.content).hexdigest() == digest
        if not served or address not in listed or _get(address).status_code != 200:
            wrong.add(number)
    return Finding.of(checked=len(published | stored), violations=sorted(wrong, key=str))


def check_controller(now: datetime) -> Finding:
    """WA-24: the page says who is responsible, in which role, how to reach them, who answers."""
    data = _file_in_force(now)
    controller = data["controller"]
    expected = _facts_of(controller, "controller")
    expected["controller.answers"] = controller["answers"]
    expected["controller.role"] = controller.get("role", "controller")
    for number, party in enumerate(controller.get("joint", ()), start=1):
        expected |= _facts_of(party, f"controller.joint[{number}]")
    page = _words_of("/policy/")
    missing = [place for place, words in expected.items() if _plain(words) not in page]
    # Every page's foot names the controller and an address, this one's as an example.
    foot = _words_of("/policy/versions/")
    missing += [
        f"foot: {place}"
        for place in ("controller.name", "controller.email")
        if _plain(expected[place]) not in foot
    ]
    return Finding.of(checked=len(expected) + 2, violations=missing)


def check_purposes(now: datetime) -> Finding:
    """WA-2, WA-10: every purpose is on the page with its basis, and every column that holds
    something about people serves one of them, or is kept on a stated ground.

    A row is judged by the versions since it was made: what was collected under a purpose stays
    under it when a later version drops that, and may be filled in later under a later version's.
    """
    files = [(era.since, tomllib.loads(era.version.source)) for era in eras(now)]
    data, page = _file_in_force(now), _words_of("/policy/")
    violations = []
    for purpose in data["purposes"]:
        with override("en"):
            basis = str(BASES[purpose["legal_basis"]])
        shown = (purpose["title"], purpose["text"], basis)
        if not all(_plain(words) in page for words in shown):
            violations.append(f"page: {purpose['key']}")
    filled = list(_filled_columns())
    violations += [f"column: {h.key}.{p.name}" for h, p in filled if _unserved(h, p, files)]
    return Finding.of(
        checked=len(data["purposes"]) + len(filled),
        violations=violations,
        purposes=len(data["purposes"]),
        filled_columns=len(filled),
    )


def _altered_in_the_table() -> set[object]:
    """Numbers of versions whose text no longer has its digest, worked out by Postgres."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number FROM policy_policyversion"
            " WHERE digest <> encode(sha256(convert_to(source, 'UTF8')), 'hex')"
        )
        return {number for (number,) in cursor.fetchall()}


def _file_in_force(now: datetime) -> Data:
    """The file in force, read anew; it must be there: without one nothing can be checked."""
    rows = PolicyVersion.objects.filter(effective_at__lte=now).order_by("-number")
    return tomllib.loads(rows.values_list("source", flat=True)[:1].get())


def _facts_of(party: Data, place: str) -> dict[str, str]:
    facts = {f"{place}.name": party["name"], f"{place}.email": party["email"]}
    for number, line in enumerate(party["address"], start=1):
        facts[f"{place}.address[{number}]"] = line
    if "phone" in party:
        facts[f"{place}.phone"] = party["phone"]
    return facts


def _filled_columns() -> list[tuple[Holding, Personal]]:
    """Columns people filled in (or others filled in about them) that hold at least one value."""
    return [
        (holding, personal)
        for holding in registry.holdings()
        for personal in holding.personal
        if personal.source is not Source.SITE and _has_value(holding, personal.name)
    ]


def _has_value(holding: Holding, column: str) -> bool:
    return _rows_with(holding, column).exists()


def _rows_with(holding: Holding, column: str) -> QuerySet[Any]:
    """Rows in which a column is filled."""
    if any(p.bound for p in holding.personal if p.name == column):
        return holding.rows()  # never empty, and nobody may look
    rows: QuerySet[Any] = holding.rows().exclude(**{f"{column}__isnull": True})
    field = holding.model_class._meta.get_field(column)
    if field.get_internal_type() in ("CharField", "TextField", "EmailField"):
        rows = rows.exclude(**{column: ""})
    return rows


def _unserved(holding: Holding, personal: Personal, files: list[tuple[datetime, Data]]) -> bool:
    """Whether a row has a value here though no version since it was made gives it a purpose."""
    serving = [place for place, (_, data) in enumerate(files) if _serves(holding, personal, data)]
    if serving and serving[-1] == len(files) - 1:
        return False
    if not serving:
        return True
    made, (ended, _data) = _made_at(holding), files[serving[-1] + 1]
    # Without a time nothing shows that the value is from before.
    return (
        made is None
        or _rows_with(holding, personal.name)
        .filter(Q(**{f"{made}__gte": ended}) | Q(**{f"{made}__isnull": True}))
        .exists()
    )


def _made_at(holding: Holding) -> str | None:
    """The column that tells when a row was made."""
    fields = {f.name: f for f in holding.model_class._meta.concrete_fields}
    times = (n for n in MADE if n in fields and isinstance(fields[n], DateTimeField))
    return next(times, None)


def _serves(holding: Holding, personal: Personal, data: Data) -> bool:
    """Whether the file gives the column a purpose, or else the whole table a purpose or ground.

    Once the file names single fields of a table, each of them needs to be named.
    """
    keys = {purpose["key"] for purpose in data["purposes"]}
    named = {name for purpose in data["purposes"] for name in purpose.get("data", ())}
    for point in data.get("collection_points", ()):
        if keys & set(point["purposes"]):
            named |= {*point.get("required", ()), *point.get("optional", ())}
    if {f"{holding.key}.{personal.name}", holding.key} & named:
        return True
    if any(f"{holding.key}.{other.name}" in named for other in holding.personal):
        return False
    rules = [rule for rule in data.get("retention", ()) if rule["holding"] == holding.key]
    if any(rule.get("purpose") or rule.get("ground") for rule in rules):
        return True
    return holding.ground in {ground["key"] for ground in data.get("grounds", ())}


def _get(address: str) -> Any:
    """A page as a visitor gets it."""
    host = urlsplit(settings.SITE_URL).hostname or "localhost"
    secure = settings.SITE_URL.startswith("https://")
    client = Client(raise_request_exception=False, headers={"accept-language": "en"})
    return client.get(address, secure=secure, SERVER_NAME=host)


def _words_of(address: str) -> str:
    """The words on a page, without markup; nothing when it isn't served."""
    response = _get(address)
    return (
        _plain(re.sub(r"<[^>]*>", " ", response.content.decode()), unescape=True)
        if (response.status_code == 200)
        else ""
    )


def _plain(text: str, *, unescape: bool = False) -> str:
    """Text with single spaces and in lower case, to be compared."""
    return " ".join((html.unescape(text) if unescape else text).split()).lower()


control.declare(
    Control(
        key="policy.versions",
        sentence=_("Every version of the policy ever published can be read, exactly as it was."),
        how=_(
            "We fetch each version's page and file like any visitor and compare the file's "
            "fingerprint with the one that the log noted on the day of publication."
        ),
        sort=Sort.PROBE,
        check=check_versions,
    ),
    Control(
        key="policy.controller",
        sentence=_("The policy page says who is responsible and how to reach them."),
        how=_(
            "We read the page like any visitor and look for each name, address and way to reach "
            "the people responsible that the policy file names."
        ),
        sort=Sort.PROBE,
        check=check_controller,
    ),
    Control(
        key="policy.purposes",
        sentence=_("Everything kept about people serves a purpose that the policy page names."),
        how=_(
            "We read the page like any visitor and look for each purpose and its legal basis. "
            "Then we go through every column of the database in which people's data stands; one "
            "whose rows serve no purpose that the policy stated on the day they were made, or "
            "since then, breaks the promise."
        ),
        sort=Sort.PROBE,
        check=check_purposes,
    ),
)
