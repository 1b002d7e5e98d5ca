"""What the API says about profiles, and what a change sent to it looks like."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from audit.api import Answer, Input

Audience = Literal["nobody", "connections", "members", "everyone"]
HANDLE = "q3VbX0m2T5yWc8ZpLr1sNg"
PAGE = f"https://privacy.example.com/people/{HANDLE}/"
PHOTO: dict[str, Any] = {
    "key": "photo",
    "title": "Photo",
    "value": "",
    "photo_url": f"{PAGE}photo/",
    "audience": "members",
}
ABOUT: dict[str, Any] = {
    "key": "about",
    "title": "About",
    "value": "I repair clocks.",
    "photo_url": None,
    "audience": "everyone",
}


class OwnPart(Answer):
    """A part of one's profile, and who sees it."""

    key: str
    title: str
    value: str = Field(description="Empty when nothing stands there, and for the photo.")
    photo_url: str | None = Field(description="Where the photo is, for whoever is signed in.")
    audience: Audience


class OwnProfile(Answer):
    """One's profile, whole."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "url": PAGE,
                    "parts": [PHOTO, ABOUT],
                    "audiences": ["nobody", "connections", "members", "everyone"],
                }
            ]
        }
    )

    url: str | None = Field(description="The page others see; none before there is a profile.")
    parts: list[OwnPart]
    audiences: list[Audience] = Field(description="What a part may be set to.")


class ChangeProfile(Input):
    """Parts to change; those that are not named stay as they are."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"values": {"about": "I repair clocks."}, "audiences": {"phone": "nobody"}}
            ]
        }
    )

    values: dict[str, str] = Field(
        default_factory=dict, description="Part → its new text; empty deletes it."
    )
    audiences: dict[str, str] = Field(default_factory=dict, description="Part → who sees it.")


class PersonPart(Answer):
    """A part of somebody's profile."""

    key: str
    title: str
    value: str


class Person(Answer):
    """Somebody, as far as they show themselves to whoever asks."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "url": PAGE,
                    "name": "Robin E.",
                    "photo_url": f"{PAGE}photo/",
                    "parts": [{"key": "about", "title": "About", "value": "I repair clocks."}],
                }
            ]
        }
    )

    url: str
    name: str = Field(description="Empty when they show no name.")
    photo_url: str | None
    parts: list[PersonPart]
