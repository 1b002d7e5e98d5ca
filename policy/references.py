"""placeholder"""
from datetime import date
from typing import Any
from collections.abc import Mapping
from policy.complaints import Mistake
def check(data: Mapping[str, Any], *, today: date | None) -> list[Mistake]:
    return []
