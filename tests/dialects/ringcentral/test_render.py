from __future__ import annotations

import pytest

from relay.calls.events import NUMBERING, EventId
from relay.calls.happenings import DtmfSent, LegAnswered, UserDataReplaced
from relay.calls.model import Address, Cause
from relay.dialects.ringcentral.notifications import renderer
from relay.dialects.ringcentral.render import party_object, session_object
from tests.dialects.ringcentral.calls import (
    ANSWERS,
    HEX,
    IDENTITIES,
    JANE,
    JOHN,
    ONE,
    OUTSIDE,
    RINGS,
    TWO,
    Story,
    hangs_up,
)


def test_the_trace_of_an_outbound_call() -> None:
    """A user calls the public network: the recorded order of parties, codes and resources, from 2."""
    story = Story(JANE, OUTSIDE)
    story.then(story.called, RINGS, ANSWERS, hangs_up(ONE))
    assert story.trace() == [
        "2 p-1 Outbound 210 Setup",
        "3 p-2 Inbound account Proceeding",
        "4 p-1 Outbound 210 Proceeding",
        "5 p-2 Inbound account Answered",
        "6 p-1 Outbound 210 Answered",
        "7 p-1 Outbound 210 Disconnected",
        "8 p-2 Inbound account Disconnected",
    ]


def test_the_trace_of_a_call_between_users() -> None:
    """A user calls a user: the caller is answered as soon as the target's rules start."""
    story = Story()
    story.then(story.called, RINGS, ANSWERS, hangs_up(ONE))
    assert story.trace() == [
        "2 p-1 Outbound 210 Setup",
        "3 p-2 Inbound 200 Setup",
        "4 p-1 Outbound 210 Answered",
        "5 p-2 Inbound 200 Proceeding",
        "6 p-2 Inbound 200 Answered",
        "7 p-1 Outbound 210 Disconnected",
        "8 p-2 Inbound 200 Disconnected",
    ]


def test_the_trace_of_an_inbound_call() -> None:
    """The public network calls a user, who ends the call."""
    story = Story(OUTSIDE, JANE)
    story.then(story.called, RINGS, ANSWERS, hangs_up(TWO))
    assert story.trace() == [
        "2 p-1 Outbound account Setup",
        "3 p-2 Inbound 210 Setup",
        "4 p-1 Outbound account Answered",
        "5 p-2 Inbound 210 Proceeding",
        "6 p-2 Inbound 210 Answered",
        "7 p-2 Inbound 210 Disconnected",
        "8 p-1 Outbound account Disconnected",
    ]


def test_a_notification_in_full() -> None:
    """The envelope and the party have the published members, and no others."""
    story = Story(OUTSIDE, JANE)
    story.then(story.called, RINGS)
    notification = story.notifications()[-1]
    extension = {"phoneNumber": "210", "name": "Jane Doe", "extensionId": "400100000210"}
    assert notification == {
        "uuid": notification["uuid"],
        "event": "/restapi/v1.0/account/400100000001/extension/400100000210/telephony/sessions",
        "timestamp": "2025-11-21T09:30:06.218Z",
        "subscriptionId": None,
        "body": {
            "sequence": 5,
            "sessionId": notification["body"]["sessionId"],
            "telephonySessionId": f"s-{HEX}",
            "serverId": "relay",
            "eventTime": "2025-11-21T09:30:06.218Z",
            "parties": [
                {
                    "accountId": "400100000001",
                    "extensionId": "400100000210",
                    "id": f"p-{HEX}-2",
                    "direction": "Inbound",
                    "to": extension,
                    "from": {"phoneNumber": "+12025550123"},
                    "status": {"code": "Proceeding", "rcc": False},
                    "park": {},
                    "missedCall": False,
                    "standAlone": False,
                    "muted": False,
                }
            ],
            "origin": {"type": "Call"},
        },
    }


def test_whom_a_caller_reaches_is_told_once_it_is_known() -> None:
    """Name and extension of the callee come with the caller's answer; the caller's device is always there."""
    story = Story()
    story.then(story.called, RINGS)
    first, _, answered, _ = story.notifications()
    caller = {
        "phoneNumber": "210",
        "name": "Jane Doe",
        "extensionId": "400100000210",
        "deviceId": JANE.device_id,
    }
    assert first["body"]["parties"][0]["to"] == {"phoneNumber": "200"}
    assert first["body"]["parties"][0]["from"] == caller
    assert answered["body"]["parties"][0]["to"] == {
        "phoneNumber": "200",
        "name": "John Doe",
        "extensionId": "400100000200",
    }


def test_a_leg_outside_has_an_account_and_no_extension() -> None:
    """The resource of a leg at the public network is the account's."""
    notification = Story(OUTSIDE, JANE).notifications()[0]
    [party] = notification["body"]["parties"]
    assert notification["event"] == "/restapi/v1.0/account/400100000001/telephony/sessions"
    assert party["accountId"] == "400100000001"
    assert "extensionId" not in party


@pytest.mark.parametrize(
    ("cause", "reason", "missed"),
    [
        (Cause.BUSY, " TargetBusy", True),
        (Cause.NO_ANSWER, " NoAnswer", True),
        (Cause.REJECTED, " Rejected", False),
        (Cause.CANCELED, "", True),
        (Cause.FAILED, " InternalError", False),
    ],
)
def test_what_came_of_a_call_that_nobody_answered(cause: Cause, reason: str, *, missed: bool) -> None:
    """A call that did not come about says why; one that came in for us unanswered counts as missed."""
    story = Story(OUTSIDE, JANE)
    story.then(story.called, RINGS, hangs_up(TWO, cause))
    assert story.trace()[-2:] == [
        f"6 p-2 Inbound 210 Disconnected{reason}",
        f"7 p-1 Outbound account Disconnected{reason}",
    ]
    flags = [one["body"]["parties"][0]["missedCall"] for one in story.notifications()]
    assert flags == [False, False, False, False, missed, False]


def test_a_click_to_dial_is_answered_by_its_own_phone_first() -> None:
    """Of a click-to-dial the caller's own phone is set up and answered before the callee's leg is made."""
    story = Story(two_step=True)
    story.then(LegAnswered(leg=ONE), story.called, RINGS, ANSWERS)
    assert story.trace() == [
        "2 p-1 Outbound 210 Setup",
        "3 p-1 Outbound 210 Answered",
        "4 p-2 Inbound 200 Setup",
        "5 p-2 Inbound 200 Proceeding",
        "6 p-2 Inbound 200 Answered",
    ]


def test_exactly_what_raises_the_sessions_count_is_told() -> None:
    """Tones, user data and the far end's answer have no notification, so sequences have no gaps."""
    story = Story()
    story.then(story.called, RINGS, ANSWERS, DtmfSent(leg=ONE, digits="5"))
    story.then(UserDataReplaced(user_data={"a": 1}), hangs_up(TWO))
    render = renderer(IDENTITIES)
    shown = [event.kind for event in story.events if render(EventId(0, "1-0"), event) is not None]
    assert shown == [event.kind for event in story.events if NUMBERING[event.kind].session]
    assert [one["body"]["sequence"] for one in story.notifications()] == list(range(2, 9))


def test_a_session_in_full() -> None:
    """The REST object is bare, with whole seconds, strings for ids and an owner for legs of ours alone."""
    story = Story(OUTSIDE, JANE)
    shown = session_object(IDENTITIES, story.then(story.called, RINGS).session)
    owner = {"accountId": "400100000001", "extensionId": "400100000210"}
    extension = {"phoneNumber": "210", "name": "Jane Doe", "extensionId": "400100000210"}
    common = {"from": {"phoneNumber": "+12025550123"}, "to": extension, "muted": False, "standAlone": False}
    assert shown == {
        "id": f"s-{HEX}",
        "creationTime": "2025-11-21T09:30:04Z",
        "origin": {"type": "Call"},
        "parties": [
            {"id": f"p-{HEX}-1", "direction": "Outbound", **common, "status": {"code": "Answered"}},
            {
                "id": f"p-{HEX}-2",
                "direction": "Inbound",
                **common,
                "status": {"code": "Proceeding"},
                "owner": owner,
                **owner,
            },
        ],
    }


def test_the_device_that_answered_is_told() -> None:
    """Once a phone of ours has answered, the party says which."""
    story = Story()
    session = story.then(story.called, RINGS, ANSWERS).session
    assert party_object(IDENTITIES, session, session.parties[1])["to"]["deviceId"] == JOHN.device_id


def test_a_user_without_an_extension_shows_by_number() -> None:
    """Where there is no extension to show, the directory number is."""
    story = Story(JANE, Address(number="15009", device_id="d", user_id="u"))
    session = story.then(story.called).session
    assert party_object(IDENTITIES, session, session.parties[0])["to"] == {"phoneNumber": "15009"}
