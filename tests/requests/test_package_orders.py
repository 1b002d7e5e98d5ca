"""Packages are built once, whoever dies meanwhile, and end with their time or their person."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import File
from django.db import IntegrityError, OperationalError, transaction
from django.utils import timezone

from audit.log import SYSTEM
from audit.models import AuditEntry
from consent import mail
from consent.models import Message
from policy.models import PolicyVersion
from requests import package_files, package_orders
from requests.models import Letter, Package, Request
from requests.package import Progress, store, vault
from requests.package.store import PrivateFolder
from retention import erase, erase_worker, sweep
from retention.clock import RunningClock
from tests.factories.accounts import member, staff_member
from tests.factories.policy import publish_file
from tests.factories.requests import NOW, copy_approved, copy_made
from tests.requests.test_review import at_once

LATER = NOW + timedelta(hours=2)


class Killed(BaseException):
    """What `kill -9` is to the code: nothing catches it, nothing cleans up after it."""


class Interrupted(PrivateFolder):
    """A disk on which writing stops after `after` bytes by raising `raising`."""

    raising: type[BaseException] = Killed
    after = 100

    def _open(self, name: str, mode: str = "rb") -> File[Any]:
        file = super()._open(name, mode)
        return _Stopping(file, self.raising, self.after) if "w" in mode else file


class Full(Interrupted):
    """A disk that is full."""

    raising = OSError


class _Stopping(File[Any]):
    def __init__(self, file: File[Any], raising: type[BaseException], after: int) -> None:
        super().__init__(file)
        self.whole, self.raising, self.left = file, raising, after

    def write(self, data: Any) -> int:
        self.left -= len(data)
        if self.left < 0:
            raise self.raising
        return int(self.whole.write(data))


def disk(settings: Any, backend: type[PrivateFolder]) -> None:
    """Store packages through another class, in the same folder."""
    packages = settings.STORAGES["packages"]
    path = f"{backend.__module__}.{backend.__qualname__}"
    settings.STORAGES = {**settings.STORAGES, "packages": {**packages, "BACKEND": path}}


def stored(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*")) if folder.exists() else []


def templates() -> list[str]:
    return list(Letter.objects.order_by("at", "id").values_list("template", flat=True))


def test_work_makes_the_package_answers_and_tells_once(
    wecustomers: PolicyVersion, packages_folder: Path
) -> None:
    user = member()
    request = copy_approved(user, staff_member())
    worked = package_orders.work(now=LATER)
    package = Package.objects.get()
    assert (worked.ready, worked.failed) == ([package.pk], [])
    request.refresh_from_db()
    assert (request.state, request.closed_at) == ("completed", package.ready_at)
    assert (package.state, package.attempts, package.claim) == ("ready", 1, None)
    assert package.ready_at is not None
    assert package.expires_at == package.ready_at + timedelta(days=14)
    assert [e.step for e in request.events.order_by("id")] == [
        "received",
        "verified",
        "approved",
        "started",
        "completed",
    ]
    assert stored(packages_folder) == [package.name]
    assert package.rows > 5
    assert AuditEntry.objects.get(verb="requests.completed").facts == {
        "kind": "access",
        "rows": package.rows,
    }
    assert package_orders.work(now=LATER).ready == []
    assert templates() == ["access_received", "access_ready"]


def test_file_is_the_package_encrypted(wecustomers: PolicyVersion, packages_folder: Path) -> None:
    user = member(first_name="Hildegard")
    package = copy_made(user, staff_member())
    raw = (packages_folder / package.name).read_bytes()
    assert b"PK" not in raw[:4]
    assert user.email.encode() not in raw
    with store.read(package.name) as file:
        content = b"".join(vault.read(file, vault.unwrap(bytes(package.key or b""))))
    assert (content[:2], len(content)) == (b"PK", package.size)


def test_letter_names_the_way_and_holds_no_data(wecustomers: PolicyVersion) -> None:
    user = member(first_name="Hildegard", last_name="Sonderbar")
    package = copy_made(user, staff_member())
    assert package.request is not None
    message = Message.objects.get(template="access_ready")
    text = mail.text_of(message)
    assert f"/privacy/requests/{package.request.reference}/package/" in text
    assert "until 24 Mar 2026, 08:00" in text
    assert "Hildegard" not in text
    assert "Sonderbar" not in text
    assert user.email not in text


def test_commit_whose_answer_was_lost_leaves_the_package_whole(
    wecustomers: PolicyVersion, packages_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_approved(member(), staff_member())
    real = package_orders._Claimed.finish

    def finish(self: Any, built: Any) -> None:
        real(self, built)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(package_orders._Claimed, "finish", finish)
    package_orders.work(now=NOW)
    package = Package.objects.get()
    assert (package.state, stored(packages_folder)) == ("ready", [package.name])


def test_killed_worker_leaves_its_lease_and_the_next_one_begins_anew(
    wecustomers: PolicyVersion, settings: Any, packages_folder: Path
) -> None:
    copy_approved(member(), staff_member())
    whole = settings.STORAGES
    disk(settings, Interrupted)
    with pytest.raises(Killed):
        package_orders.work(now=NOW)
    left = stored(packages_folder)
    package = Package.objects.get()
    assert (package.state, [package.name]) == ("building", left)
    settings.STORAGES = whole
    # While the lease runs nobody else touches it; a minute after the kill it is made.
    assert package_orders.work(now=NOW + timedelta(seconds=15)).ready == []
    assert package_orders.work(now=NOW + timedelta(seconds=60)).ready == [package.pk]
    package.refresh_from_db()
    assert (package.state, package.attempts) == ("ready", 2)
    assert stored(packages_folder) == [package.name] != left
    assert templates() == ["access_received", "access_ready"]
    assert AuditEntry.objects.filter(verb="requests.started").count() == 1


def test_full_disk_is_tried_again_later_each_time(
    wecustomers: PolicyVersion, settings: Any, packages_folder: Path
) -> None:
    request = copy_approved(member(), staff_member())
    whole = settings.STORAGES
    disk(settings, Full)
    assert len(package_orders.work(now=NOW).failed) == 1
    package = Package.objects.get()
    assert (package.state, package.error, package.name) == ("failed", "OSError", "")
    assert stored(packages_folder) == []
    assert package_orders.work(now=NOW + timedelta(seconds=3)).failed == []
    assert len(package_orders.work(now=NOW + timedelta(seconds=60)).failed) == 1
    assert package_orders.work(now=NOW + timedelta(seconds=68)).failed == []
    settings.STORAGES = whole
    assert len(package_orders.work(now=NOW + timedelta(seconds=130)).ready) == 1
    request.refresh_from_db()
    assert (request.state, Package.objects.get().error) == ("completed", "")


def test_folder_that_is_none_is_tried_again_and_stops_nobody(
    wecustomers: PolicyVersion, packages_folder: Path
) -> None:
    packages_folder.write_text("not a folder")
    for _ in range(2):
        copy_approved(member(), staff_member())
    worked = package_orders.work(now=NOW)
    assert (len(worked.ready), len(worked.failed)) == (0, 2)
    packages_folder.unlink()
    worked = package_orders.work(now=NOW + timedelta(minutes=2))
    assert (len(worked.ready), len(worked.failed)) == (2, 0)


def test_worker_that_overslept_its_lease_changes_nothing(
    wecustomers: PolicyVersion, packages_folder: Path
) -> None:
    copy_approved(member(), staff_member())
    slow = package_orders._claim(RunningClock(NOW))
    assert slow is not None
    built = slow.build()
    assert len(package_orders.work(now=LATER).ready) == 1
    with pytest.raises(package_orders.LeaseLost):
        slow.finish(built)
    package = Package.objects.get()
    assert package.name != slow.name
    assert stored(packages_folder) == [package.name]
    assert templates() == ["access_received", "access_ready"]


def test_build_that_is_no_longer_wanted_stops_and_leaves_nothing(
    wecustomers: PolicyVersion, packages_folder: Path
) -> None:
    user = member()
    copy_approved(user, staff_member())
    claimed = package_orders._claim(RunningClock(NOW))
    assert claimed is not None
    erase.start(subject_id=user.subject_id, reason="child", actor=SYSTEM, now=NOW)
    erase_worker.work(now=NOW)
    with pytest.raises(package_orders.LeaseLost):
        claimed.build()
    assert Package.objects.count() == 0
    assert stored(packages_folder) == []
    assert Request.objects.get().state == "expired"


def test_progress_is_noted_and_renews_the_lease(wecustomers: PolicyVersion) -> None:
    copy_approved(member(), staff_member())
    claimed = package_orders._claim(RunningClock(NOW))
    assert claimed is not None
    claimed.noted = -package_orders.EVERY
    claimed._pulse(Progress(holding="consent.event", title="", rows=7))
    package = Package.objects.get()
    assert (package.rows, package.step) == (7, "consent.event")
    assert package.lease_until is not None
    first = package.lease_until
    # A moment later nothing is written: twice a second is enough.
    claimed._pulse(Progress(holding="consent.event", title="", rows=9))
    package.refresh_from_db()
    assert (package.rows, package.lease_until) == (7, first)


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_build_it_once(transactional_db: None, packages_folder: Path) -> None:
    publish_file()
    copy_approved(member(), staff_member())
    assert at_once(
        lambda: package_orders.work(now=LATER), lambda: package_orders.work(now=LATER)
    ) == ["", ""]
    package = Package.objects.get()
    assert (package.state, package.attempts) == ("ready", 1)
    assert stored(packages_folder) == [package.name]
    assert Message.objects.filter(template="access_ready").count() == 1


# The end ----------------------------------------------------------------------------------------


def sweep_packages(now: datetime) -> int:
    return sum(
        sweep.sweep(now=now, holding="requests.package").steps.values_list("rows", flat=True)
    )


@pytest.mark.django_db(transaction=True)
def test_sweep_takes_expired_packages_with_their_files(
    transactional_db: None, packages_folder: Path
) -> None:
    publish_file()
    package = copy_made(member(), staff_member())
    assert package.expires_at is not None
    assert sweep_packages(package.expires_at + timedelta(hours=23)) == 0
    assert stored(packages_folder) == [package.name]
    assert sweep_packages(package.expires_at + timedelta(hours=25)) == 1
    assert (Package.objects.count(), stored(packages_folder)) == (0, [])
    assert Request.objects.get().state == "completed"


def test_erasure_takes_the_package_and_its_file(
    wecustomers: PolicyVersion, packages_folder: Path
) -> None:
    user, other, reviewer = member(), member(), staff_member()
    copy_made(user, reviewer)
    others = copy_made(other, reviewer)
    erase.start(subject_id=user.subject_id, reason="request", actor=SYSTEM, now=NOW)
    erase_worker.work(now=NOW)
    assert list(Package.objects.all()) == [others]
    assert stored(packages_folder) == [others.name]


@pytest.fixture
def lost_files(packages_folder: Path) -> list[str]:
    """Files no row names, and one that is none of ours."""
    packages_folder.mkdir()
    lost = [store.new_name() for _ in range(2)]
    for name in lost:
        (packages_folder / name).write_bytes(b"half a package")
    (packages_folder / "notes.txt").write_text("an operator's")
    return lost


def test_orphans_are_removed_and_nothing_else(
    wecustomers: PolicyVersion,
    packages_folder: Path,
    lost_files: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(package_files, "CHUNK", 2)
    package = copy_made(member(), staff_member())
    now = timezone.now()  # files are dated by the real clock
    assert package_files.remove_orphans(now=now + timedelta(minutes=59)) == 0
    assert package_files.remove_orphans(now=now + timedelta(minutes=61)) == 2
    assert stored(packages_folder) == sorted([package.name, "notes.txt"])
    assert package_files.remove_orphans(now=now + timedelta(minutes=61)) == 0


def test_orphans_of_a_site_without_packages_are_none(wecustomers: PolicyVersion) -> None:
    assert package_files.remove_orphans(now=NOW) == 0


def test_row_of_a_package_that_is_not_whole_can_not_be_ready(wecustomers: PolicyVersion) -> None:
    copy_approved(member(), staff_member())
    wrongs: list[dict[str, Any]] = [
        {"state": "ready"},
        {"state": "ready", "name": "x", "key": b"k", "ready_at": NOW, "expires_at": NOW},
        {"state": "building", "claim": uuid4()},
    ]
    for wrong in wrongs:
        with pytest.raises(IntegrityError), transaction.atomic():
            Package.objects.update(**wrong)
