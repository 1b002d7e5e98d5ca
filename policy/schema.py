"""The JSON Schema of policy files; editors find it by their first line, `#:schema …`."""

from __future__ import annotations

import json
from typing import Any

from policy.document import Document


def schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Kept policy file",
        "description": "What a site promises about personal data; read by publish_policy.",
    }
    return {**Document.model_json_schema(), **head}


def as_text() -> str:
    """The schema as it is committed."""
    return json.dumps(schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
