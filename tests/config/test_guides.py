"""What the guides point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT: Path = settings.BASE_DIR
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
FILE = re.compile(r"`([\w.]+(?:/[\w.]+)*/[\w.]+\.(?:py|md|toml|html|sha256))`")


def anchors(text: str) -> set[str]:
    """The headings of a guide as GitHub names them."""
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def broken(guide: Path) -> list[str]:
    """Links and names of files that lead nowhere."""
    text, said = guide.read_text(), []
    for path, anchor in LINK.findall(text):
        target = guide.parent / path if path else guide
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            said.append(f"{path}#{anchor}")
    return said + [name for name in FILE.findall(text) if not (ROOT / name).exists()]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_guide_leads_nowhere_else(guide: Path) -> None:
    assert broken(guide) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    guide = tmp_path / "guide.md"
    guide.write_text("# A word\n[a](#a-word) [b](#no) [c](no.md) `no/such.py` `config/urls.py`\n")
    assert broken(guide) == ["#no", "no.md#", "no/such.py"]
