"""Replies: the words of a message that is read to a caller."""

from __future__ import annotations

from typing import Any, Final

from relay.dialects.ringcentral.failures import invalid

PATTERNS: Final = {
    "WillCallYouBack": "I will call you back",
    "CallMeBack": "Please call me back",
    "OnMyWay": "I am on my way",
    "OnTheOtherLine": "I am on the other line",
    "WillCallYouBackLater": "I will call you back later",
    "CallMeBackLater": "Please call me back later",
    "InAMeeting": "I am in a meeting",
    "OnTheOtherLineNoCall": "I am on the other line and cannot call you back",
}
"""The published patterns, and what is read for each."""

TIMED: Final = ("WillCallYouBack", "CallMeBack")
"""Those that take a time; it is left out where none is given."""

UNITS: Final = ("Minute", "Hour", "Day")


def text_of(reply: dict[str, Any]) -> str:
    """Return the message of a request's body, given in words or as a pattern.

    Raises:
        ApiError: it is given in both ways or none, or a pattern has a time that takes none.

    """
    text, chosen = reply["replyWithText"], reply["replyWithPattern"]
    if (text is None) == (chosen is None):
        raise invalid("replyWithText", "either replyWithText or replyWithPattern is needed")
    if text is not None:
        return str(text)
    words, time, unit = PATTERNS[chosen["pattern"]], chosen["time"], chosen["timeUnit"]
    if (time is None) != (unit is None):
        raise invalid("replyWithPattern.time", "time and timeUnit are needed together")
    if time is None:
        return words
    if chosen["pattern"] not in TIMED:
        raise invalid("replyWithPattern.time", f"only {' and '.join(TIMED)} take a time")
    return f"{words} in {time} {unit.lower()}{'' if time == 1 else 's'}"
