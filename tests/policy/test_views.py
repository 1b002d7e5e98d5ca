"""Public pages: made from the file, without queries, for everybody; staff's only for staff."""

from __future__ import annotations

import hashlib
import html
import re
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role
from audit.models import Evidence
from datamap import registry
from policy.datapage import is_on
from policy.models import PolicyVersion
from policy.reading import parse
from tests.factories.accounts import log_in, member, prove_second_factor, staff_member
from tests.factories.policy import (
    PUBLISHED_AT,
    ROOT,
    edited,
    file_bytes,
    publish_bytes,
    publish_file,
    relabelled,
)

QUIET = ["policy:policy", "policy:versions", "policy:data", "policy:accent"]
SITES = ["wecustomers", "weapp", "weinterrupt", "wespro", "clickandchat"]
NEXT = relabelled(
    edited(
        "policies/wecustomers.toml",
        ('mark = "We"', 'mark = "W"'),
        ("youngest = 13", "youngest = 16"),
    ),
    "2",
)


def words(content: bytes) -> str:
    """A page's words with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", content.decode())).split())


def evidence(control: str, version: PolicyVersion, **values: Any) -> Evidence:
    return Evidence.objects.create(
        **{
            "control": control,
            "at": timezone.now(),
            "outcome": "kept",
            "checked": 1234,
            "violations": 0,
            "policy_digest": version.digest,
            "milliseconds": 1,
            **values,
        }
    )


def promise_line(client: Client, promise: str) -> str:
    """The words of one promise on the public board."""
    page = client.get(reverse("policy:promises")).content.decode()
    start = page.index(f'<li id="{promise}">')
    end = page.find("<li id=", start + 1)
    return words(page[start : end if end > 0 else page.index("</main>")].encode())


@pytest.mark.parametrize("name", [*QUIET, "policy:promises"])
def test_pages_say_when_there_is_no_policy(db: None, client: Client, name: str) -> None:
    response = client.get(reverse(name))
    assert response.status_code == 503
    assert "No policy yet" in response.content.decode()


@pytest.mark.parametrize("name", QUIET)
def test_public_pages_need_no_query(
    wecustomers: PolicyVersion, client: Client, django_assert_num_queries: Any, name: str
) -> None:
    client.get(reverse(name))
    with django_assert_num_queries(0):
        assert client.get(reverse(name)).status_code == 200


def test_version_pages_need_no_query_the_second_time(
    wecustomers: PolicyVersion, client: Client, django_assert_num_queries: Any
) -> None:
    publish_bytes(NEXT, now=PUBLISHED_AT + timedelta(days=1))
    address = PolicyVersion.objects.get(number=2).get_absolute_url()
    client.get(address)
    with django_assert_num_queries(0):
        assert client.get(address).status_code == 200


def test_the_promise_board_shows_new_evidence_and_needs_no_query_again(
    wecustomers: PolicyVersion, client: Client, django_assert_num_queries: Any
) -> None:
    client.get(reverse("policy:promises"))
    evidence("accounts.age-screen", wecustomers, checked=321)
    assert "321 checked" in promise_line(client, "WC-14")
    with django_assert_num_queries(0):
        assert client.get(reverse("policy:promises")).status_code == 200


@pytest.mark.parametrize("name", [*QUIET, "policy:promises"])
def test_pages_are_revalidated_by_their_tag(
    wecustomers: PolicyVersion, client: Client, name: str
) -> None:
    first = client.get(reverse(name))
    assert first["Cache-Control"] == "public, no-cache"
    assert "Set-Cookie" not in first
    again = client.get(reverse(name), headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    publish_bytes(
        relabelled(
            edited(
                "policies/wecustomers.toml",
                ('mark = "We"', 'mark = "W"'),
                ('accent = "#1c6b46"', 'accent = "#1c6b40"'),
            ),
            "2",
        ),
        now=PUBLISHED_AT,
    )
    changed = client.get(reverse(name), headers={"if-none-match": first["ETag"]})
    assert changed.status_code == 200


def test_pages_are_private_for_people_with_a_session(
    wecustomers: PolicyVersion, client: Client
) -> None:
    log_in(client, member())
    response = client.get(reverse("policy:policy"))
    assert response["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_pages_are_read_only(wecustomers: PolicyVersion, client: Client, method: str) -> None:
    assert getattr(client, method)(reverse("policy:policy")).status_code == 405


@pytest.mark.parametrize("name", SITES)
def test_the_policy_page_says_everything_the_file_says(db: None, client: Client, name: str) -> None:
    """Every text of the file that people should read is on the page, or on the board."""
    document = publish_file(f"policies/{name}.toml").document
    pages = words(client.get(reverse("policy:policy")).content)
    pages += words(client.get(reverse("policy:promises")).content)
    texts = []
    for value in document.model_dump(mode="json").values():
        texts += _texts(value)
    missing = [text for text in texts if " ".join(text.split()) not in pages]
    assert missing == []


def _texts(value: Any) -> list[str]:
    """Sentences of the file: strings with a space in them, without spans of time."""
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    if isinstance(value, str) and value.count(" ") >= 3 and not value.startswith("new data at"):
        return [value]
    return []


def test_texts_of_the_file_are_escaped(db: None, client: Client) -> None:
    bad = "<script>alert(1)</script> & <b>bold</b>"
    publish_bytes(
        edited(
            "policies/wecustomers.toml",
            ('title = "Inviting friends"', f"title = '{bad}'"),
            (
                'title = "No protection is perfect"\ntext = """\\\n',
                f'title = "x"\ntext = """\\\n{bad} ',
            ),
            ('name = "Other members"', f"name = '{bad}'"),
            ('answers = """\\\n', f'answers = """\\\n{bad} '),
        )
    )
    for name in (*QUIET[:3], "policy:promises"):
        page = client.get(reverse(name)).content.decode()
        assert "<script>alert" not in page
        assert "<b>bold" not in page
    page = client.get(reverse("policy:policy")).content.decode()
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;bold&lt;/b&gt;") >= 4


def test_operators_choices_are_marked(wecustomers: PolicyVersion, client: Client) -> None:
    page = words(client.get(reverse("policy:policy")).content)
    source = wecustomers.source
    assert page.count("Chosen by the operator.") == source.count("\noperators_choice = ")


def test_the_policy_page_announces_a_waiting_version(
    wecustomers: PolicyVersion, client: Client
) -> None:
    now = timezone.now()
    waiting = publish_bytes(NEXT, now=now)
    page = client.get(reverse("policy:policy")).content.decode()
    assert f"This policy changes on {waiting.effective_at:%-d %B %Y}." in words(page.encode())
    assert waiting.get_absolute_url() in page
    assert "at least 13" in page
    shown = words(client.get(waiting.get_absolute_url()).content)
    assert "Coming" in shown
    assert "Important Age: the youngest age is now 16, was 13." in shown
    assert "Minor The site: mark is now W, was We." in shown


def test_a_version_is_found_by_digest_and_label(wecustomers: PolicyVersion, client: Client) -> None:
    for which in (wecustomers.digest, "2015-12-21"):
        response = client.get(reverse("policy:version", args=[which]))
        assert wecustomers.digest in response.content.decode()
    for which in ("2", "0" * 64, "x/y", "%00", wecustomers.digest[:12]):
        assert client.get(f"/policy/versions/{which}/").status_code == 404


def test_the_source_is_served_byte_for_byte_as_text(db: None, client: Client) -> None:
    source = file_bytes().replace(b"\n", b"\r\n") + "# ü \t".encode()
    version = publish_bytes(source)
    response = client.get(reverse("policy:source", args=[version.digest]))
    assert response.content == source
    assert hashlib.sha256(response.content).hexdigest() == version.digest
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_the_data_page_names_every_holding_and_field(
    wecustomers: PolicyVersion, client: Client
) -> None:
    page = client.get(reverse("policy:data")).content.decode()
    off = {h.key for h in registry.holdings() if not is_on(wecustomers.document, h.feature)}
    assert off == {key for key in off if f'id="{key}"' not in page} != set()
    for holding in registry.holdings():
        if holding.key in off:
            continue
        start = page.index(f'id="{holding.key}"')
        part = words(page[start : page.index("</section>", start)].encode())
        assert str(holding.title) in part
        keys = Counter(p.category for p in holding.personal)
        for category, count in keys.items():
            assert len(re.findall(rf"(?<!\S){re.escape(category)}(?!\S)", part)) == count


def test_the_data_page_tells_what_no_period_runs_for(
    wecustomers: PolicyVersion, client: Client
) -> None:
    page = client.get(reverse("policy:data")).content.decode()
    outlasting = {
        holding.key
        for holding in registry.holdings()
        if is_on(wecustomers.document, holding.feature)
        and "no such period runs" in page.split(f'id="{holding.key}"')[1].split("</section>")[0]
    }
    # An unconfirmed account ends by itself; every other one, and what is still open, does not.
    assert {"accounts.account", "requests.request"} <= outlasting
    assert outlasting & {"accounts.session", "consent.choice"} == set()


def test_the_board_has_every_promise_in_its_state(
    wecustomers: PolicyVersion, client: Client
) -> None:
    board = client.get(reverse("policy:promises"))
    document = parse(wecustomers.source.encode())
    without = sum(promise.control is None for promise in document.promises)
    shown = words(board.content)
    assert f"no check yet {without}" in shown
    assert f"not evaluated {23 - without}" in shown
    assert "kept 0" in shown
    assert [p.id for p in document.promises] == re.findall(
        r'<li id="(WC-\d+)">', board.content.decode()
    )


def test_evidence_shows_as_kept_broken_or_not_evaluated(
    wecustomers: PolicyVersion, client: Client
) -> None:
    old = timezone.now() - timedelta(days=2, minutes=1)
    evidence("accounts.session-cookie", wecustomers)
    evidence("accounts.age-screen", wecustomers, outcome="broken", violations=12)
    evidence("retention.children", wecustomers, at=old)
    evidence("accounts.minors-advice", wecustomers, outcome="failed", figures={"error": "X"})
    evidence("consent.transfer", wecustomers, policy_digest="0" * 64)
    assert promise_line(client, "WC-3").startswith("✓ Kept")
    assert promise_line(client, "WC-14").startswith("✕ Broken")
    assert "12 not as promised" in promise_line(client, "WC-14")
    for promise in ("WC-15", "WC-16", "WC-13"):
        assert promise_line(client, promise).startswith("? Not evaluated")
    assert "the check could not be carried out" in promise_line(client, "WC-16")
    assert promise_line(client, "WC-2").startswith("○ No check yet")


@pytest.mark.parametrize(("count", "shown"), [(1, "<10"), (9, "<10"), (10, "10"), (1234, "1 234")])
def test_small_counts_are_hidden(
    wecustomers: PolicyVersion, client: Client, count: int, shown: str
) -> None:
    evidence("accounts.age-screen", wecustomers, checked=count, figures={"slowest_cases": count})
    line = promise_line(client, "WC-14").replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert f"· {shown} checked · slowest cases: {shown} " in line


def test_a_check_without_anything_to_look_at_says_so(
    wecustomers: PolicyVersion, client: Client
) -> None:
    evidence("accounts.age-screen", wecustomers, checked=0, figures={"slowest_cases": 0})
    assert "· nothing to check so far" in promise_line(client, "WC-14")
    evidence("accounts.age-screen", wecustomers, checked=0, violations=10, outcome="broken")
    assert "· 0 checked · 10 not as promised" in promise_line(client, "WC-14")


def test_the_public_board_shows_no_ids(wecustomers: PolicyVersion, client: Client) -> None:
    secret = "01a1f907-10de-7589-bfa6-ec98353a39f7"
    evidence("accounts.age-screen", wecustomers, outcome="broken", violations=1,
             violation_ids=[secret])  # fmt: skip
    assert secret not in client.get(reverse("policy:promises")).content.decode()


def test_the_accent_is_the_operators(wecustomers: PolicyVersion, client: Client) -> None:
    response = client.get(reverse("policy:accent"))
    assert response["Content-Type"] == "text/css; charset=utf-8"
    assert "--accent: light-dark(#1c6b46, #6fcf9f);" in response.content.decode()


@pytest.mark.parametrize("path", ["/staff/promises/", "/staff/promises/accounts.age-screen/"])
def test_staff_pages_are_closed_to_others(
    wecustomers: PolicyVersion, client: Client, path: str
) -> None:
    response = client.get(path)
    assert (response.status_code, response["Location"].split("?")[0]) == (
        302,
        "/accounts/login/",
    )
    log_in(client, member())
    assert client.get(path).status_code == 403


def test_staff_see_ids_and_the_history_of_evidence(
    wecustomers: PolicyVersion, client: Client, django_assert_max_num_queries: Any
) -> None:
    secret = "01a1f907-10de-7589-bfa6-ec98353a39f7"
    for _ in range(3):
        evidence("accounts.age-screen", wecustomers, outcome="broken", violations=1,
                 violation_ids=[secret])  # fmt: skip
    user = staff_member(Role.AUDITOR)
    log_in(client, user)
    prove_second_factor(client, user)
    board = client.get("/staff/promises/")
    assert board.status_code == 200
    assert "/staff/promises/accounts.age-screen/" in board.content.decode()
    with django_assert_max_num_queries(8):
        page = client.get("/staff/promises/accounts.age-screen/")
    assert page.content.decode().count(secret) == 3
    assert page["Cache-Control"] == "private, no-store"
    assert client.get("/staff/promises/no.such/").status_code == 404


def test_no_committed_file_is_left_out() -> None:
    assert sorted(path.stem for path in (ROOT / "policies").glob("*.toml")) == sorted(SITES)
