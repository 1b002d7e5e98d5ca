"""The commands an operator types: what they print, how they end, what they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.models import Evidence
from policy.models import PolicyVersion
from tests.factories.policy import ROOT, edited, file_bytes, relabelled

FILE = ROOT / "policies" / "wecustomers.toml"


def run(*arguments: Any, **options: Any) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says what is typed at the question."""

    def typing(text: str) -> None:
        def read(prompt: str = "") -> str:
            if text == "<end>":
                raise EOFError
            return text

        monkeypatch.setattr("builtins.input", read)

    return typing


def test_publish_policy_publishes_with_yes(db: None) -> None:
    assert "Published wecustomers 2015-12-21" in run("publish_policy", FILE, yes=True)
    assert PolicyVersion.objects.get().source.encode() == file_bytes()


@pytest.mark.parametrize("text", ["n", "", "<end>", "no"])
def test_publish_policy_asks_and_takes_no_for_an_answer(db: None, answer: Any, text: str) -> None:
    answer(text)
    with pytest.raises(CommandError, match=r"Nothing was published\."):
        run("publish_policy", FILE)
    assert not PolicyVersion.objects.exists()


def test_publish_policy_takes_yes_for_an_answer(db: None, answer: Any) -> None:
    answer("y")
    run("publish_policy", FILE)
    assert PolicyVersion.objects.count() == 1


def test_publish_policy_says_when_nothing_is_to_do(wecustomers: PolicyVersion) -> None:
    printed = run("publish_policy", FILE)
    assert "This file is the version published last; nothing to do." in printed
    assert PolicyVersion.objects.count() == 1


def test_publish_policy_shows_changes_and_checks_without_publishing(
    wecustomers: PolicyVersion, tmp_path: Path
) -> None:
    path = tmp_path / "next.toml"
    path.write_bytes(
        relabelled(edited("policies/wecustomers.toml", ("youngest = 13", "youngest = 16")), "2")
    )
    printed = run("publish_policy", path, check=True)
    assert "  ! Age: the youngest age is now 16, was 13." in printed
    assert "Changes marked ! are announced first." in printed
    assert PolicyVersion.objects.count() == 1


def test_publish_policy_lists_every_problem_and_publishes_nothing(db: None, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(
        edited(
            "policies/wecustomers.toml",
            ("format = 1", "format = 2"),
            ('mark = "We"', 'marc = "We"'),
            ('control = "accounts.age-screen"', 'control = "accounts.age-scren"'),
        )
    )
    with pytest.raises(CommandError) as caught:
        run("publish_policy", path, yes=True)
    assert caught.value.returncode == 1
    lines = str(caught.value).splitlines()
    assert [line.split(":")[2].strip() for line in lines[:-1]] == [
        "format",
        "site.marc",
        "promises[14].control",
    ]
    assert lines[-1] == "3 problems; nothing was published."
    assert not PolicyVersion.objects.exists()


def checked(path: Path, database: str) -> subprocess.CompletedProcess[str]:
    """`publish_policy --check` in a fresh process on a database where nothing was migrated."""
    environment = {**os.environ, "DATABASE_URL": database, "MIGRATE_DATABASE_URL": database}
    return subprocess.run(
        [sys.executable, "manage.py", "publish_policy", "--check", str(path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(params=["unreachable", "empty"])
def bare_database(request: pytest.FixtureRequest) -> str:
    # The tests' own tables lie in a database made for them, not in the one the server came with.
    empty = os.environ["DATABASE_URL"]
    return empty if request.param == "empty" else "postgresql://nobody@127.0.0.1:1/none"


def test_check_needs_no_database(bare_database: str) -> None:
    done = checked(FILE, bare_database)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "WeCustomers, version 2015-12-21: no mistake found.",
        "There is no database to compare it with.",
    ]


def test_check_without_a_database_lists_every_mistake(bare_database: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(edited("policies/wecustomers.toml", ("youngest = 13", "youngest = 22")))
    done = checked(path, bare_database)
    assert done.returncode == 1
    assert "22 is too much. Write at most 21." in done.stderr
    assert "Traceback" not in done.stderr


def test_publishing_without_a_database_says_so(bare_database: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "publish_policy", "--yes", str(FILE)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": bare_database, "MIGRATE_DATABASE_URL": bare_database},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "nothing was published" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("path", ["/nowhere/x.toml", "/"])
def test_publish_policy_names_a_path_it_cannot_read(db: None, path: str) -> None:
    with pytest.raises(CommandError, match="1 problem; nothing was published"):
        run("publish_policy", path, yes=True)


def test_check_promises_stores_evidence_and_prints_it(wecustomers: PolicyVersion) -> None:
    try:
        report = json.loads(run("check_promises", json=True))
    except CommandError:
        pytest.fail("a promise is broken on a fresh site")
    controls = {promise.control for promise in wecustomers.document.promises} - {None}
    assert {c["control"] for c in report["controls"]} == controls
    assert {c["outcome"] for c in report["controls"]} == {"kept"}
    assert Evidence.objects.count() == len(controls)
    assert set(Evidence.objects.values_list("policy_digest", flat=True)) == {wecustomers.digest}
    checked = [p for c in report["controls"] for p in c["promises"]]
    every = [p.id for p in wecustomers.document.promises]
    assert sorted(checked + report["no_check_yet"]) == sorted(every)


def test_check_promises_evaluates_one_control(policy_of: Any) -> None:
    policy_of("clickandchat")
    printed = run("check_promises", only="policy.versions")
    words = " ".join(printed.split())
    assert words == "kept policy.versions 1 checked, 0 violations (CC-1)"
    assert Evidence.objects.count() == 1


def test_check_promises_fails_when_one_is_broken(policy_of: Any, settings: Any) -> None:
    policy_of("clickandchat")
    settings.ROOT_URLCONF = "tests.policy.faulty_urls"
    with pytest.raises(CommandError, match=r"Not kept: policy\.versions"):
        run("check_promises", only="policy.versions")
    assert Evidence.objects.get().outcome == "broken"


def test_check_promises_names_controls_when_it_knows_no_such(wecustomers: PolicyVersion) -> None:
    with pytest.raises(CommandError, match=r"no promise in force is kept by 'x\.y'; accounts\."):
        run("check_promises", only="x.y")


def test_check_promises_needs_a_policy(db: None) -> None:
    with pytest.raises(CommandError, match="no policy is in force"):
        run("check_promises")


def test_the_committed_schema_is_current() -> None:
    run("policy_schema", check=True)


def test_every_file_names_the_schema() -> None:
    for path in sorted((ROOT / "policies").glob("*.toml")):
        assert path.read_text().splitlines()[0] == "#:schema ./policy.schema.json"
