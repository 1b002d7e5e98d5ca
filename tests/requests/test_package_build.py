"""The package holds every row about its person in every format, no secret, nobody else."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from accounts.models import StaffMember, User
from audit.log import SYSTEM, person, record, staff
from audit.models import StaffAccess
from consent.models import Event, Words
from datamap.encryption import decrypt, encrypt
from datamap.holding import Holding
from datamap.models import Subject
from datamap.registry import holdings
from policy.datapage import is_on
from policy.document import Document
from policy.models import PolicyVersion
from policy.reading import parse
from requests.models import Request
from requests.package import Built, Progress, build, count, tables, vault
from requests.package.kinds import kinds
from requests.package.snapshot import CHUNK
from retention.models import ChildCase, Tombstone
from tests.factories.accounts import member, staff_member
from tests.factories.consent import decided, posted
from tests.factories.requests import approved
from tests.factories.retention import make_sessions

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
OTHERS = "[another person]"


def unpacked(
    subject_id: UUID, document: Document, *, told: list[Progress] | None = None
) -> tuple[Built, zipfile.ZipFile]:
    """Somebody's package, built, decrypted and opened."""
    target = io.BytesIO()
    built = build(
        subject_id=subject_id,
        document=document,
        language="en",
        now=NOW,
        target=target,
        progress=(told if told is not None else []).append,
    )
    target.seek(0)
    text = b"".join(vault.read(target, vault.unwrap(built.key)))
    assert (len(text), len(target.getvalue())) == (built.size, built.stored)
    return built, zipfile.ZipFile(io.BytesIO(text))


def json_of(archive: zipfile.ZipFile) -> dict[str, Any]:
    """data.json, kinds by key."""
    whole: dict[str, Any] = json.loads(archive.read("data.json"))
    return {**whole, "kinds": {kind["key"]: kind for kind in whole["kinds"]}}


def scripts_of(archive: zipfile.ZipFile, key: str) -> list[list[Any]]:
    """The rows that the page's scripts of one kind hand over, in order."""
    rows: list[list[Any]] = []
    names = sorted(n for n in archive.namelist() if n.startswith(f"data/{key}-"))
    for number, name in enumerate(names, start=1):
        assert name == f"data/{key}-{number:04d}.js"
        call = re.fullmatch(
            rf'kept\("{re.escape(key)}",{number},(\[.*\])\);\n', archive.read(name).decode(), re.S
        )
        assert call, name
        rows += json.loads(call[1])
    return rows


def csv_of(archive: zipfile.ZipFile, key: str) -> list[list[str]]:
    """A table with its line of labels."""
    text = archive.read(f"csv/{key}.csv").decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def everything(archive: zipfile.ZipFile) -> str:
    """All text of a package."""
    return "\n".join(archive.read(name).decode() for name in archive.namelist())


@pytest.fixture
def document(wecustomers: PolicyVersion) -> Document:
    """The policy in force."""
    return wecustomers.document


@pytest.fixture
def robin(document: Document) -> User:
    """Somebody with rows in every holding of this list of rooms, reviewed by somebody else."""
    user = member(now=NOW - timedelta(days=9), email="robin@example.com")
    make_sessions(user, count=2, expire=NOW + timedelta(days=1), now=NOW)
    confirm = EmailConfirmation.create(EmailAddress.objects.get(user=user))
    confirm.sent = NOW
    confirm.save()
    Authenticator.objects.create(
        user=user, type=Authenticator.Type.TOTP, data={"secret": "planted-secret"}
    )
    StaffMember.objects.create(user=user, role="support", since=NOW)
    group = Group.objects.create(name="Editors of texts")
    user.groups.add(group)
    user.user_permissions.add(Permission.objects.order_by("pk")[0])
    LogEntry.objects.create(
        user=user,
        content_type=ContentType.objects.get_for_model(Group),
        object_id=str(group.pk),
        object_repr="Editors",
        action_flag=2,
        change_message='[{"changed": {"fields": ["Name"]}}]',
    )
    decided(user.subject, "given", now=NOW)
    posted(user.subject_id, template="news", address=user.email, now=NOW)
    return user


@pytest.fixture
def reviewer(robin: User) -> User:
    """A member of staff whose traces stand in Robin's rows."""
    other = staff_member(email="wanda@example.com", first_name="Wanda", last_name="Watson")
    request = approved(robin, other)
    Request.objects.filter(pk=request.pk).update(
        words=encrypt(f"Ask {other.email} or Quinn.Q+x@example.org; mine is Robin@example.com."),
        reason=encrypt('=1+1 "quoted"\nand more'),
        claimed_by=other.subject,
        claimed_at=NOW,
    )
    StaffAccess.objects.create(
        at=NOW,
        staff_id=other.pk,
        role="reviewer",
        permission="requests.review",
        subject_id=robin.subject_id,
        task=f"request of {other.pk}",
        reason="test",
    )
    record(
        actor=staff(other.subject_id),
        verb="tests.noted",
        now=NOW,
        object=other,
        subject_id=robin.subject_id,
        facts={"by": str(other.subject_id), "to": [{"mail": other.email}], "own": robin.email},
    )
    ChildCase.objects.create(
        subject=robin.subject,
        state=ChildCase.State.RELEASED,
        arrived_at=NOW,
        learned_at=NOW,
        locked_at=NOW,
        contest_until=NOW,
        erase_by=NOW,
        statement=encrypt("I am 34."),
        token_hash="planted-token-hash",
        decided_at=NOW,
        decided_by=other.subject_id,
        ground=ChildCase.Ground.NO_CHILD,
        closed_at=NOW,
    )
    Tombstone.objects.create(
        subject_id=robin.subject_id, erasure_id=uuid4(), at=NOW, reason="request"
    )
    return other


def plain(row: models.Model, name: str, *, own: set[str]) -> Any:
    """Slowly, one value of data.json, from the model: what the fast way has to come to."""
    of: Any = row._meta.get_field(name)
    value = getattr(row, of.attname)
    if value is None:
        return None
    if isinstance(of, models.BinaryField):
        return bytes(value).hex() if name == "leaf" else decrypt(value)
    if of.is_relation and of.related_model in (Subject, User):
        return str(value) if str(value) in own else OTHERS
    if of.is_relation and of.related_model in (Group, Permission):
        return getattr(row, name).name
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) or of.is_relation else value


def expected(holding: Holding, user: User, others: list[str]) -> list[dict[str, Any]]:
    """The rows of a holding as data.json has them, with what we planted taken out."""
    secret = {p.name for p in holding.personal if p.secret}
    own = {str(user.subject_id), str(user.pk)}
    found = []
    for row in holding.rows_of([user.subject_id]):
        values = {name: plain(row, name, own=own) for name in sorted(holding.field_names - secret)}
        text = json.dumps(values)
        for other in others:
            text = text.replace(other, OTHERS)
        found.append(json.loads(text))
    return sorted(found, key=json.dumps)


def test_every_row_is_in_every_format(document: Document, robin: User, reviewer: User) -> None:
    others = [str(reviewer.subject_id), str(reviewer.pk), reviewer.email, "Quinn.Q+x@example.org"]
    built, archive = unpacked(robin.subject_id, document)
    whole = json_of(archive)
    of_kind = {kind.key: kind for kind in kinds(document)}
    per_holding = {}
    for holding in holdings():
        columns = of_kind[holding.key].columns
        wanted = expected(holding, robin, others)
        got = whole["kinds"][holding.key]["rows"]
        assert sorted(({k: r[k] for k in sorted(r)} for r in got), key=json.dumps) == wanted
        names = [column.name for column in columns]
        assert scripts_of(archive, holding.key) == [[row[name] for name in names] for row in got]
        if not got:
            assert f"csv/{holding.key}.csv" not in archive.namelist()
            continue
        per_holding[holding.key] = len(got)
        table = csv_of(archive, holding.key)
        assert table[0] == tables.labels(of_kind[holding.key])
        assert len(table) - 1 == len(got)
        ids = [column.form in ("id", "time", "date", "person") for column in columns]
        for line, row in zip(table[1:], got, strict=True):
            shown = [row[name] or "" for name, is_id in zip(names, ids, strict=True) if is_id]
            assert [c for c, is_id in zip(line, ids, strict=True) if is_id] == shown
    assert dict(built.per_holding) == per_holding | {
        "consent.words": len(whole["kinds"]["consent.words"]["rows"])
    }
    assert built.rows == sum(built.per_holding.values()) == whole["rows"]
    # What the fixtures were to fill, so that the comparison compares something.
    empty = {h.key for h in holdings() if h.key not in per_holding}
    assert not empty & {
        "accounts.account",
        "accounts.admin_log",
        "accounts.age",
        "accounts.authenticator",
        "accounts.email_address",
        "accounts.email_confirmation",
        "accounts.group",
        "accounts.permission",
        "accounts.session",
        "accounts.staff",
        "audit.access",
        "audit.entry",
        "consent.choice",
        "consent.event",
        "consent.mail",
        "datamap.subject",
        "requests.approval",
        "requests.event",
        "requests.letter",
        "requests.link",
        "requests.request",
        "retention.child_case",
        "retention.erasure",
        "retention.tombstone",
    }


def test_no_secret_is_in_it(document: Document, robin: User, reviewer: User) -> None:
    text = everything(unpacked(robin.subject_id, document)[1])
    sought = 0
    for holding in holdings():
        for secret in (p.name for p in holding.personal if p.secret):
            for value in holding.rows_of([robin.subject_id]).values_list(secret, flat=True):
                if value in (None, "", {}):
                    continue
                if isinstance(value, bytes | memoryview):
                    value = bytes(value).decode("latin-1")
                assert str(value) not in text, f"{holding.key}.{secret}"
                sought += 1
    assert sought > 10
    assert "planted" not in text


def test_nothing_of_another_person_is_in_it(
    document: Document, robin: User, reviewer: User
) -> None:
    _built, archive = unpacked(robin.subject_id, document)
    text = everything(archive)
    for trace in (reviewer.subject_id, reviewer.pk, reviewer.email, "Quinn.Q+x@example.org"):
        assert str(trace).lower() not in text.lower()
    rows = {key: kind["rows"] for key, kind in json_of(archive)["kinds"].items()}
    assert rows["requests.request"][0]["words"] == (
        f"Ask {OTHERS} or {OTHERS}; mine is Robin@example.com."
    )
    assert rows["requests.request"][0]["claimed_by"] == OTHERS
    assert [row["reviewer"] for row in rows["requests.approval"]] == [OTHERS]
    noted = next(row for row in rows["audit.entry"] if row["verb"] == "tests.noted")
    assert noted["facts"] == {"by": OTHERS, "to": [{"mail": OTHERS}], "own": robin.email}
    assert (noted["actor_id"], noted["object_id"]) == (OTHERS, OTHERS)
    assert noted["subject_id"] == str(robin.subject_id)
    assert rows["audit.access"][0]["task"] == f"request of {OTHERS}"
    assert rows["retention.child_case"][0]["decided_by"] == OTHERS
    assert document.controller.email in text


def test_words_shown_come_along(document: Document, robin: User) -> None:
    _built, archive = unpacked(robin.subject_id, document)
    shown = Words.objects.filter(event__subject=robin.subject).distinct()
    rows = json_of(archive)["kinds"]["consent.words"]["rows"]
    assert {row["digest"]: row["text"] for row in rows} == {w.digest: w.text for w in shown}
    assert len(rows) > 1
    assert len(csv_of(archive, "consent.words")) == len(rows) + 1


def test_what_stands_beside_the_data(document: Document, robin: User) -> None:
    whole = json_of(unpacked(robin.subject_id, document)[1])
    assert (whole["format"], whole["version"], whole["language"]) == ("kept-package", 1, "en")
    assert whole["created_at"] == "2026-03-20T12:00:00+00:00"
    assert whole["controller"]["email"] == document.controller.email
    assert set(whole["kinds"]) == {h.key for h in holdings()} | {"consent.words"}
    account = whole["kinds"]["accounts.account"]
    purposes = {p["key"]: p["legal_basis"] for p in account["purposes"]}
    assert purposes
    assert purposes == {key: document.purpose(key).legal_basis for key in purposes}  # type: ignore[union-attr]  # they are there
    served = set(purposes)
    assert [r["key"] for r in account["recipients"]] == [
        r.key for r in document.recipients if served & set(r.purposes) and not r.figures_only
    ]
    assert account["periods"] == [rule.text for rule in document.rules_for("accounts.account")]
    fields = {field["name"]: field for field in account["fields"]}
    assert (fields["email"]["category"], fields["email"]["source"]) == (
        "user.contact.email",
        "person",
    )
    assert "password" not in fields
    ledger = whole["kinds"]["consent.event"]
    assert ledger["ground"]["key"] == "accountability"
    kinds_of_event = {f["name"]: f for f in ledger["fields"]}["kind"]["choices"]
    assert kinds_of_event["mail"] == "mail"
    assert (
        ledger["count"]
        == len(ledger["rows"])
        == Event.objects.filter(subject=robin.subject).count()
    )


@pytest.mark.parametrize(
    "path", sorted(Path("policies").glob("*.toml")), ids=lambda path: path.stem
)
def test_every_kind_says_what_it_is_what_for_from_whom_and_how_long(path: Path) -> None:
    document = parse(path.read_bytes())
    # Where the site lacks the feature there are no rows, and the policy need not speak of them.
    off = {h.key for h in holdings() if not is_on(document, h.feature)}
    bare = [
        kind.key
        for kind in kinds(document)
        if kind.key not in off
        and not (kind.categories and kind.sources and kind.purposes and kind.periods)
    ]
    assert bare == []


def test_choices_are_words_in_the_table_and_keys_in_json(document: Document, robin: User) -> None:
    _built, archive = unpacked(robin.subject_id, document)
    table = csv_of(archive, "consent.choice")
    decision = table[0].index("Decision")
    rows = json_of(archive)["kinds"]["consent.choice"]["rows"]
    assert {row["decision"] for row in rows} == {"given", "submitted"}
    assert {line[decision] for line in table[1:]} == {"said yes", "handed data over"}


def test_a_value_that_can_not_be_decrypted_says_so(document: Document, robin: User) -> None:
    request = approved(robin, staff_member())
    Request.objects.filter(pk=request.pk).update(words=b"no token of ours")
    _built, archive = unpacked(robin.subject_id, document)
    (row,) = json_of(archive)["kinds"]["requests.request"]["rows"]
    assert row["words"] == "[stored encrypted, and can no longer be read]"


def test_newest_rows_come_first(document: Document, robin: User) -> None:
    for day in (3, 1, 2):
        record(
            actor=person(robin.subject_id),
            verb=f"tests.day-{day}",
            now=NOW + timedelta(days=day),
            subject_id=robin.subject_id,
        )
    rows = json_of(unpacked(robin.subject_id, document)[1])["kinds"]["audit.entry"]["rows"]
    assert [row["verb"] for row in rows][:3] == ["tests.day-3", "tests.day-2", "tests.day-1"]
    assert [row["at"] for row in rows] == sorted((row["at"] for row in rows), reverse=True)


def test_nobody_gets_a_valid_package(document: Document) -> None:
    built, archive = unpacked(uuid4(), document)
    assert (built.rows, dict(built.per_holding)) == (0, {})
    assert archive.testzip() is None
    assert archive.namelist() == ["index.html", "README.txt", "data.json"]
    assert {kind["count"] for kind in json_of(archive)["kinds"].values()} == {0}


def test_the_zip_is_one_for_every_program(document: Document, robin: User, tmp_path: Path) -> None:
    _built, archive = unpacked(robin.subject_id, document)
    assert archive.testzip() is None
    for entry in archive.infolist():
        assert re.fullmatch(r"[A-Za-z0-9_./-]+", entry.filename)
        # Sizes of tables are not known before: their headers leave room for more than 4 GiB.
        if entry.filename.endswith((".csv", "data.json")):
            assert entry.extract_version == 45
    program = shutil.which("unzip")
    if program is None:
        pytest.skip("unzip is not installed")
    path = tmp_path / "package.zip"
    assert archive.fp is not None
    archive.fp.seek(0)
    path.write_bytes(archive.fp.read())
    done = subprocess.run([program, "-t", "-q", path], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


def test_progress_tells_how_far_it_is(document: Document, robin: User) -> None:
    told: list[Progress] = []
    built, _archive = unpacked(robin.subject_id, document, told=told)
    rows = [step.rows for step in told]
    assert rows == sorted(rows)
    assert rows[-1] == built.rows
    assert {step.title for step in told if step.holding == "accounts.account"} == {"Your account"}
    assert count(subject_id=robin.subject_id) == dict(built.per_holding)


def test_what_progress_raises_ends_it_and_leaves_nothing_readable(
    document: Document, robin: User
) -> None:
    class LostTheLease(Exception):
        pass

    def lose(_step: Progress) -> None:
        raise LostTheLease

    target = io.BytesIO()
    with pytest.raises(LostTheLease):
        build(
            subject_id=robin.subject_id,
            document=document,
            language="en",
            now=NOW,
            target=target,
            progress=lose,
        )
    target.seek(0)
    with pytest.raises(vault.Altered):
        list(vault.read(target, vault.new_key()))


def test_as_many_queries_for_three_rows_as_for_one(document: Document, robin: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            unpacked(robin.subject_id, document)
        return len(captured)

    decided(robin.subject, "withdrawn", now=NOW + timedelta(hours=1))
    one = queries()
    for day in (1, 2):
        decided(robin.subject, "given", now=NOW + timedelta(days=day))
        decided(robin.subject, "withdrawn", now=NOW + timedelta(days=day, hours=1))
        posted(
            robin.subject_id, template="news", address=robin.email, now=NOW + timedelta(days=day)
        )
        record(actor=SYSTEM, verb="tests.more", now=NOW, subject_id=robin.subject_id)
    assert queries() == one


def test_several_files_of_rows_join_without_a_seam(document: Document, robin: User) -> None:
    some = Event.objects.filter(subject=robin.subject)[0]
    before = Event.objects.filter(subject=robin.subject).count()
    Event.objects.bulk_create(
        Event(
            subject=robin.subject,
            kind="notice",
            key=f"number-{number}",
            decision="shown",
            policy_digest=some.policy_digest,
            words_id=some.words_id,
            surface="site",
            locale="en",
            channel="site",
            at=NOW + timedelta(minutes=number),
        )
        for number in range(2 * CHUNK + 3)
    )
    built, archive = unpacked(robin.subject_id, document)
    rows = json_of(archive)["kinds"]["consent.event"]["rows"]
    assert built.per_holding["consent.event"] == len(rows) == before + 2 * CHUNK + 3
    assert len({row["id"] for row in rows}) == len(rows)
    assert len(scripts_of(archive, "consent.event")) == len(rows)
    assert len(csv_of(archive, "consent.event")) == len(rows) + 1
    assert [n for n in archive.namelist() if n.startswith("data/consent.event")] == [
        f"data/consent.event-000{number}.js" for number in (1, 2, 3)
    ]
