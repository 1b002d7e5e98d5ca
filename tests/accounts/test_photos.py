"""Photos: painted anew without what they told, strange files refused, no file left behind."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.test import Client
from django.urls import reverse
from PIL import Image, PngImagePlugin

from accounts import photos, profiles
from accounts.models import Profile
from accounts.photos import NoPhoto, read, remove_orphans
from policy.models import PolicyVersion
from tests.factories.accounts import member, staff_member
from tests.factories.profiles import handle_of, photo, picture, profile_of, set_profile, signed_in
from tests.factories.requests import erased
from tests.requests.test_package_build import unpacked

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
MORE = "There is more in this file than a photo. Save it anew as a JPEG."
UNREADABLE = "We can't read this as a photo. Choose a JPEG, PNG or WebP."
TOO_MANY = "This photo has more than 25 million pixels. Choose a smaller one."


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    cache.clear()
    place = tmp_path / "photos"
    settings.STORAGES = {
        **settings.STORAGES,
        "photos": {
            **settings.STORAGES["photos"],
            "OPTIONS": {**settings.STORAGES["photos"]["OPTIONS"], "location": str(place)},
        },
    }
    return place


def refused(raw: bytes) -> str:
    """Why a file is not taken."""
    with pytest.raises(NoPhoto) as why:
        read(io.BytesIO(raw))
    return str(why.value)


def opened(raw: bytes) -> Image.Image:
    return Image.open(io.BytesIO(raw))


def with_exif(place: str = "51.5, -0.12") -> bytes:
    """A JPEG that tells where it was made, and is to be shown on its side."""
    told = Image.Exif()
    told[0x0112] = 6  # orientation: turn by 90°
    told[0x010E] = place  # description
    told.get_ifd(0x8825)[1] = "N"  # place
    return picture(size=(400, 200), exif=told, comment=b"my garden")


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG (ISO/IEC 15948)."""
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def huge_png(width: int, height: int) -> bytes:
    """A few bytes that unfold to very many pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 4096)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photo_becomes_a_small_jpeg_of_ours(kind: str) -> None:
    made = opened(read(io.BytesIO(picture(kind, size=(3000, 1500)))).content)
    assert (made.format, made.mode, made.size) == ("JPEG", "RGB", (1024, 512))


def test_nothing_that_a_camera_wrote_into_it_stays() -> None:
    raw = with_exif()
    assert b"51.5" in raw
    made = read(io.BytesIO(raw)).content
    image = opened(made)
    assert image.size == (200, 400)  # shown upright, though nothing says so any more
    assert not image.getexif()
    assert {"exif", "icc_profile", "comment", "xmp"} & set(image.info) == set()
    assert b"51.5" not in made
    assert b"my garden" not in made


def test_what_is_seen_through_becomes_white() -> None:
    made = io.BytesIO()
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(made, "PNG")
    corner: Any = opened(read(io.BytesIO(made.getvalue())).content).getpixel((0, 0))
    assert min(corner) > 250


def test_of_a_moving_picture_the_first_frame_stays() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    made = io.BytesIO()
    frames[0].save(made, "WEBP", save_all=True, append_images=frames[1:])
    still = opened(read(io.BytesIO(made.getvalue())).content)
    assert getattr(still, "n_frames", 1) == 1


@pytest.mark.parametrize("size", [(50_000, 50_000), (6000, 6000), (30_000, 10)])
def test_bombs_are_refused_before_they_unfold(size: tuple[int, int]) -> None:
    assert refused(huge_png(*size)) in (TOO_MANY, UNREADABLE)


def test_a_bomb_in_the_text_of_a_picture_is_not_unfolded() -> None:
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", "A" * 10_000_000, zip=True)
    made = io.BytesIO()
    Image.new("RGB", (8, 8)).save(made, "PNG", pnginfo=words)
    assert len(made.getvalue()) < 20_000
    assert refused(made.getvalue()) == UNREADABLE


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "This file is empty. Choose another one."),
        (b"x" * (5 * 1024 * 1024 + 1), "This file is larger than 5 MB. Choose a smaller one."),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", UNREADABLE),
        (b"<!doctype html><script>1</script>", UNREADABLE),
        (b"GIF89a" + b"\0" * 40, UNREADABLE),
        (b"BM" + b"\0" * 60, UNREADABLE),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", UNREADABLE),
        (b"\xff\xd8\xff\xe0 nothing of a picture", UNREADABLE),
        (b"\0" * 1000, UNREADABLE),
    ],
)
def test_what_is_no_photo_is_refused(raw: bytes, why: str) -> None:
    assert refused(raw) == why


def test_a_gif_and_a_tiff_are_refused_though_they_are_pictures() -> None:
    for kind in ("GIF", "TIFF", "BMP"):
        assert refused(picture(kind)) == UNREADABLE


def test_half_a_photo_is_refused() -> None:
    raw = picture(size=(2000, 2000))
    assert refused(raw[: len(raw) // 2]) == UNREADABLE


def zip_of(name: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, "x")
    return made.getvalue()


@pytest.mark.parametrize(
    "raw",
    [
        picture() + b"<script>alert(1)</script>",
        picture(comment=b"<?php system($_GET[0]); ?>"),
        picture(comment=b"<svg onload=alert(1)>"),
        picture() + zip_of("a.class"),
        picture("PNG") + b"anything",
        picture("WEBP") + b"anything",
        picture("JPEG", comment=b"%PDF-1.7"),
    ],
)
def test_a_second_kind_of_file_in_a_photo_is_refused(raw: bytes) -> None:
    assert refused(raw) == MORE


def test_a_photo_with_a_sound_behind_it_is_taken() -> None:
    """Some telephones write a film behind the photo: no harm, and it does not stay."""
    made = read(io.BytesIO(picture() + b"\0\0\0\x18ftypmp42" + b"\1" * 400)).content
    assert b"ftyp" not in made


def upload(client: Client, raw: bytes | None, **more: str) -> Any:
    """Send the form of one's profile, with a photo if there is one."""
    answer = client.get(reverse("accounts:profile"))
    form = answer.context["form"]
    sent = {name: form.initial.get(name, "") for name in form.fields if name != "photo"}
    sent.pop("photo_remove", None)
    files = {"photo": SimpleUploadedFile("C:\\evil<b>.exe", raw)} if raw else {}
    return client.post(reverse("accounts:profile"), {**sent, **files, **more})


def test_a_photo_is_sent_shown_replaced_and_deleted(
    wecustomers: PolicyVersion, folder: Path, django_capture_on_commit_callbacks: Any
) -> None:
    user = member()
    client = signed_in(user)
    with django_capture_on_commit_callbacks(execute=True):
        assert upload(client, picture(colour="red")).status_code == 302
    first = profile_of(user).photo
    assert [each.name for each in folder.iterdir()] == [first]
    assert (folder.stat().st_mode & 0o777, (folder / first).stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )
    assert first in Profile.objects.values_list("photo", flat=True)
    address = reverse("accounts:photo", args=[handle_of(user)])
    assert opened(client.get(address).content).size == (640, 480)
    with django_capture_on_commit_callbacks(execute=True):
        assert upload(client, picture(colour="blue")).status_code == 302
    second = profile_of(user).photo
    assert [each.name for each in folder.iterdir()] == [second]
    assert first != second
    with django_capture_on_commit_callbacks(execute=True):
        assert upload(client, None, photo_remove="on").status_code == 302
    assert list(folder.iterdir()) == []
    assert (profile_of(user).photo, profile_of(user).photo_at) == ("", None)
    assert client.get(address).status_code == 404


def test_what_is_refused_is_said_beside_the_field_and_changes_nothing(
    wecustomers: PolicyVersion, folder: Path
) -> None:
    user = member()
    answer = upload(signed_in(user), b"<svg/>", about="new")
    assert answer.status_code == 200
    assert answer.context["form"].errors == {"photo": [UNREADABLE]}
    assert 'id="id_photo_error"' in answer.content.decode()
    assert not folder.exists()
    assert profile_of(user).about == ""


def test_a_photo_whose_row_was_not_written_goes_at_once(
    wecustomers: PolicyVersion, folder: Path
) -> None:
    user = member()
    with pytest.raises(profiles.WrongParts):
        set_profile(user, values={"about": "<b>"}, photo=photo())
    assert list(folder.iterdir()) == []


def test_photos_nobody_names_go_within_the_hour(wecustomers: PolicyVersion, folder: Path) -> None:
    user = member()
    set_profile(user, photo=photo())
    lost = photos.store(photo("red"))
    (folder / "notes.txt").write_text("not ours")
    names = {each.name for each in folder.iterdir()}
    now = datetime.now(UTC)
    assert remove_orphans(now=now) == 0  # perhaps its row is only on the way
    assert {each.name for each in folder.iterdir()} == names
    assert remove_orphans(now=now + timedelta(minutes=61)) == 1
    assert {each.name for each in folder.iterdir()} == names - {lost}


def test_no_photo_was_ever_sent() -> None:
    assert remove_orphans(now=NOW) == 0
    assert storages["photos"].exists("x") is False


def test_an_erased_person_leaves_no_photo(wecustomers: PolicyVersion, folder: Path) -> None:
    user, other = member(), member()
    set_profile(user, photo=photo())
    set_profile(other, photo=photo("red"))
    erased(user, staff_member())
    assert not Profile.objects.filter(subject_id=user.subject_id).exists()
    assert [each.name for each in folder.iterdir()] == [profile_of(other).photo]


def test_a_photo_is_in_its_owners_package_and_in_nobody_elses(
    wecustomers: PolicyVersion, folder: Path
) -> None:
    user, other = member(), member()
    name = set_profile(user, photo=photo()).photo
    _built, archive = unpacked(user.subject_id, wecustomers.document)
    assert archive.read(f"files/accounts.profile/{name}") == photos.content(name)
    assert "pictures that you uploaded" in archive.read("README.txt").decode()
    _built, archive = unpacked(other.subject_id, wecustomers.document)
    assert [each for each in archive.namelist() if each.startswith("files/")] == []
    assert "pictures that you uploaded" not in archive.read("README.txt").decode()


def test_a_huge_file_is_let_go_of_on_its_way_in(
    wecustomers: PolicyVersion, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    whole = TemporaryFileUploadHandler.receive_data_chunk

    def note(self: TemporaryFileUploadHandler, raw: bytes, start: int) -> Any:
        kept.append(len(raw))
        return whole(self, raw, start)

    monkeypatch.setattr(TemporaryFileUploadHandler, "receive_data_chunk", note)
    answer = upload(signed_in(member()), b"x" * (20 * 1024 * 1024))
    assert answer.context["form"].errors == {
        "photo": ["This file is larger than 5 MB. Choose a smaller one."]
    }
    assert sum(kept) <= 5 * 1024 * 1024
    assert not folder.exists()
