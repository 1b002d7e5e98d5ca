"""No control without tests of its own, in its own room, where violations are expected."""

from pathlib import Path

import pytest

from audit.control import controls

TESTS = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("key", sorted(controls()))
def test_every_control_is_seen_to_fail(key: str) -> None:
    files = (TESTS / key.partition(".")[0]).glob("test_*.py")
    texts = [text for file in files if key in (text := file.read_text())]
    assert any("violation" in text for text in texts)
