"""What each channel told of the call, brought to the same words so that it can be compared."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final, NamedTuple

CHANNELS: Final = ("webhook", "SSE", "CometD")

EXPECTED: Final[dict[str, tuple[str, ...]]] = {
    "210": ("ringing", "answered", "hungup"),
    "200": ("ringing", "answered", "hungup"),
}
"""The whole story of a click-to-dial from 210 to 200 that is answered and hung up, by extension."""

_GWS_WORDS: Final = {
    "Dialing": "ringing",
    "Ringing": "ringing",
    "Established": "answered",
    "Released": "hungup",
}


class Told(NamedTuple):
    """One event as one channel told it."""

    channel: str
    extension: str
    word: str
    detail: str


def from_v3(channel: str, event: dict[str, Any]) -> Told:
    """Take a v3 event, as webhooks and SSE carry it."""
    word = event["type"].rpartition(".")[2]
    return Told(channel, event["user_extension"], word, event["event_id"])


def from_gws(notification: dict[str, Any], extensions: dict[str, str]) -> Told:
    """Take a GWS notification; ``extensions`` maps directory numbers to extensions."""
    call = notification["call"]
    return Told("CometD", extensions[notification["phoneNumber"]], _GWS_WORDS[call["state"]], call["state"])


class Story:
    """The events of one call, by channel."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, list[str]]] = {channel: defaultdict(list) for channel in CHANNELS}

    def __repr__(self) -> str:
        counts = {channel: sum(map(len, legs.values())) for channel, legs in self._told.items()}
        return f"<Story {counts} complete={self.complete}>"

    def add(self, told: Told) -> None:
        """Note one event."""
        self._told[told.channel][told.extension].append(told.word)

    @property
    def complete(self) -> bool:
        """Whether every channel has told as many events as the whole story has."""
        wanted = sum(map(len, EXPECTED.values()))
        return all(sum(map(len, legs.values())) >= wanted for legs in self._told.values())

    @property
    def faults(self) -> list[str]:
        """What any channel told otherwise than expected, in words; empty when all three agree."""
        return [
            f"{channel} told of {extension}: {', '.join(legs[extension]) or 'nothing'}; "
            f"expected {', '.join(words)}"
            for channel, legs in self._told.items()
            for extension, words in EXPECTED.items()
            if tuple(legs[extension]) != words
        ]
