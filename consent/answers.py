"""What the API says about a person's choices, and what a decision sent to it looks like."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from audit.api import Answer, Input


class Words(Answer):
    """What the person must see. digest: of exactly this text in this language."""

    text: str
    language: str
    digest: str


class Standing(Answer):
    """What the person decided last."""

    decision: Literal["given", "renewed", "refused", "withdrawn", "expired"]
    since: datetime
    policy_digest: str = Field(description="The version in force at that time.")
    channel: str
    words_digest: str


DIGEST = "5f4dcc3b5aa765d61d8327deb882cf99a1c2b3d4e5f60718293a4b5c6d7e8f90"
EXAMPLE: dict[str, Any] = {
    "kind": "mail",
    "key": "service-news",
    "title": "News about the service",
    "words": {
        "text": "News about the service\nAt most one mail a month.",
        "language": "en",
        "digest": DIGEST,
    },
    "on": True,
    "decided": {
        "decision": "given",
        "since": "2026-03-02T09:30:00Z",
        "policy_digest": DIGEST,
        "channel": "web",
        "words_digest": DIGEST,
    },
    "decide_on_the_site": None,
    "url": "https://privacy.example.com/api/v1/me/choices/mail/service-news/",
}


class OwnChoice(Answer):
    """One thing a person can say yes or no to, and whether it is on."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    kind: Literal["purpose", "mail", "transfer"]
    key: str
    title: str
    words: Words
    on: bool = Field(description="What holds now, by the person's choice or, without one, ours.")
    decided: Standing | None = Field(description="None while the person has not decided.")
    decide_on_the_site: str | None = Field(
        description="The page to decide on, where no key may decide."
    )
    url: str


class OwnChoices(Answer):
    """Everything there is to choose under the policy in force."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"policy_digest": DIGEST, "results": [EXAMPLE]}]}
    )

    policy_digest: str
    results: list[OwnChoice]


class PastDecision(Answer):
    """One decision. words: what the person was shown, as stored with it."""

    decision: Literal["given", "renewed", "refused", "withdrawn", "expired"]
    at: datetime
    policy_digest: str
    surface: str
    channel: str
    words: Words


class ChoiceHistory(Answer):
    """Decisions about one thing, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "results": [
                        {
                            "decision": "given",
                            "at": "2026-03-02T09:30:00Z",
                            "policy_digest": DIGEST,
                            "surface": "signup",
                            "channel": "web",
                            "words": EXAMPLE["words"],
                        }
                    ],
                    "next": None,
                }
            ]
        }
    )

    results: list[PastDecision]
    next: str | None


class Decide(Input):
    """A yes or a no."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"on": True, "words_digest": DIGEST}, {"on": False}]}
    )

    on: bool
    words_digest: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="The digest of the words that the person was shown. A yes needs it.",
    )
