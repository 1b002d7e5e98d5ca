"""Every text on screen can be translated, and another language breaks nothing."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from policy.models import PolicyVersion

ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
# One letter alone is a mark, the same in every language.
WORDS = re.compile(r"[^\W\d_]{2,}")
TRANSLATED = re.compile(
    r"\{%\s*blocktranslate\b.*?\{%\s*endblocktranslate\s*%\}"
    r"|\{%\s*comment\b.*?\{%\s*endcomment\s*%\}"
    r"|\{%\s*block page_class\s*%\}.*?\{%\s*endblock.*?%\}"
    r"|\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}",
    re.DOTALL,
)
READ_ALOUD = {"alt", "aria-label", "placeholder", "title"}


class Spoken(HTMLParser):
    """Collects what a reader sees or hears of a page's markup."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in READ_ALOUD and value:
                self.handle_data(value)

    def handle_data(self, data: str) -> None:
        if self.cdata_elem is None and WORDS.search(data):  # not inside a script
            self.found.append(data.strip())


def untranslated(source: str) -> list[str]:
    """Words of a template outside `translate` and `blocktranslate`."""
    parser = Spoken()
    parser.feed(TRANSLATED.sub("", source))
    parser.close()
    return parser.found


def test_untranslated_words_are_found() -> None:
    source = '<p title="Hm">{% translate "Yes" %} No <b>{{ x }}</b></p>{# so #}'
    assert untranslated(source) == ["Hm", "No"]


def test_templates_have_no_words_outside_gettext() -> None:
    assert TEMPLATES
    found = {str(path.relative_to(ROOT)): untranslated(path.read_text()) for path in TEMPLATES}
    assert {name: words for name, words in found.items() if words} == {}


@pytest.fixture
def german(settings: Any) -> None:
    """The site offers German besides English; of its own texts none is translated."""
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]


@pytest.mark.parametrize(
    "name", ["front", "policy:policy", "policy:promises", "policy:data", "account_login"]
)
def test_another_language_breaks_no_page(
    wecustomers: PolicyVersion, client: Client, german: None, name: str
) -> None:
    response = client.get(reverse(name), headers={"accept-language": "de"})
    assert (response.status_code, response["Content-Language"]) == (200, "de")
    assert '<html lang="de"' in response.content.decode()


needs_gettext = pytest.mark.skipif(shutil.which("msgfmt") is None, reason="needs GNU gettext")


@needs_gettext
def test_a_translation_is_shown_to_those_who_read_it(
    wecustomers: PolicyVersion, client: Client, german: None, settings: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
    (folder / "django.po").write_text(f'{head}msgid "See every promise"\nmsgstr "Alle ansehen"\n')
    subprocess.run(["msgfmt", "--output", folder / "django.mo", folder / "django.po"], check=True)
    settings.LOCALE_PATHS = [tmp_path]
    assert "Alle ansehen" in client.get("/", headers={"accept-language": "de"}).content.decode()
    assert "See every promise" in client.get("/").content.decode()


@needs_gettext
def test_all_texts_can_be_collected(tmp_path: Path) -> None:
    for name in (*settings.ROOMS, "templates"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "manage.py", tmp_path)
    done = subprocess.run(
        [sys.executable, "manage.py", "makemessages", "--locale", "de"],
        cwd=tmp_path,
        env={**os.environ, "KEPT_ENV": "test"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    collected = (tmp_path / "locale/de/LC_MESSAGES/django.po").read_text()
    for text in ("See every promise", "your privacy choices", "business day"):
        assert text in collected
