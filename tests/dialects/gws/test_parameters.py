"""What operations take, in every form that clients send, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.gws.playing import Play


@pytest.mark.parametrize(
    "form",
    [
        "http://127.0.0.1:8080/api/v2/me/calls/{}",
        "https://elsewhere.example:8443/api/v2/calls/{}",
        "/api/v2/me/calls/{}/",
        "/me/calls/{}",
        "/calls/{}",
        "{}",
    ],
)
@pytest.mark.parametrize(
    "operation", ["SwapCalls", "MergeWithOtherCall", "CompleteTransfer", "CompleteConference"]
)
async def test_the_other_call_is_named_in_any_form(play: Play, operation: str, form: str) -> None:
    """Absolute or a path, of any host, with ``/me`` or without: the last segment counts."""
    await play.talk()
    await play("jane", "InitiateTransfer", 1, destination="15003")
    await play("alex", "Answer", 2)
    name = "consultCallUri" if operation.startswith("Complete") else "otherCallUri"
    assert await play("jane", operation, 2, **{name: form.format(play.calls[0])})


@pytest.mark.parametrize("operation", ["CompleteTransfer", "CompleteConference"])
@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("named", [None, 0, 1])
async def test_a_consultation_completes_on_either_call(
    play: Play, operation: str, call: int, named: int | None
) -> None:
    """With the other call named, the very call named, a null, or nothing."""
    await play.talk()
    await play("jane", "InitiateConference", 1, destination="15003")
    await play("alex", "Answer", 2)
    parameters = {} if named is None else {"consultCallUri": [None, play.uri(2)][named]}
    assert await play("jane", operation, call, **parameters)


async def test_two_consult_calls_must_be_told_apart(play: Play) -> None:
    """Where there are several, consultCallUri is needed."""
    await play.talk()
    await play("jane", "InitiateTransfer", 1, destination="15003")
    await play("alex", "Answer", 2)
    await play("jane", "InitiateTransfer", 1, destination="+12025550123")
    refused = await play.ask("jane", "CompleteTransfer", 1)
    assert refused[:2] == (400, 2)
    assert refused.body["statusMessage"].startswith("consultCallUri: must name the other call")
    assert await play("jane", "CompleteTransfer", 1, consultCallUri=play.uri(2))


@pytest.mark.parametrize(
    "destination", ["15003", "220", {"phoneNumber": "15003"}, {"phoneNumber": "220", "x": None}]
)
async def test_a_destination_is_an_object_or_text(play: Play, destination: Any) -> None:
    """Whatever else is null or unknown is passed over."""
    await play.talk()
    nulls = {
        "location": None,
        "userData": None,
        "outboundCallerId": None,
        "consultCallUri": None,
        "unknown": 7,
    }
    told = await play("jane", "SingleStepTransfer", 1, destination=destination, **nulls)
    assert "alex 1 Ringing" in told


async def test_a_consultation_has_user_data_of_its_own(play: Play) -> None:
    """It is the consult call that carries what was given with it; a location is taken and of no use."""
    await play.talk()
    await play(
        "jane", "InitiateTransfer", 1, destination="15003", location="switch1", userData={"why": "price"}
    )
    assert play.last("alex")["userData"] == {"why": "price"}
    assert "userData" not in play.last("john")


@pytest.mark.parametrize(
    ("operation", "parameters", "code", "names"),
    [
        ("SingleStepTransfer", {}, 1, "destination"),
        ("InitiateTransfer", {"destination": {}}, 1, "destination"),
        ("InitiateConference", {"destination": {"phoneNumber": None}}, 1, "destination"),
        ("SingleStepConference", {"destination": ""}, 1, "destination"),
        ("SingleStepTransfer", {"destination": "nobody"}, 2, "destination"),
        ("SingleStepTransfer", {"destination": "15000"}, 2, "destination"),
        ("SingleStepTransfer", {"destination": "15002"}, 2, "destination"),
        ("SingleStepTransfer", {"destination": "15003", "userData": []}, 2, "userData"),
        ("SingleStepTransfer", {"destination": "15003", "userData": {"k": "x" * 17_000}}, 2, "userData"),
        ("SwapCalls", {}, 1, "otherCallUri"),
        ("MergeWithOtherCall", {"otherCallUri": None}, 1, "otherCallUri"),
        ("SwapCalls", {"otherCallUri": "nonsense"}, 2, "otherCallUri"),
        ("SwapCalls", {"otherCallUri": 7}, 2, "otherCallUri"),
        ("SwapCalls", {"otherCallUri": "/me/calls/" + "0" * 32}, 2, "otherCallUri"),
        ("CompleteTransfer", {"consultCallUri": "nonsense"}, 2, "consultCallUri"),
        ("RemoveParticipantFromConference", {}, 1, "participant"),
        ("SendDtmf", {"digits": "x"}, 2, "digits"),
        ("SetCallDisposition", {}, 1, "disposition"),
        ("Redirect", {}, 2, "operationName"),
        ("hold", {}, 2, "operationName"),
    ],
)
async def test_parameters_that_cannot_be_used_are_named(
    play: Play, operation: str, parameters: dict[str, Any], code: int, names: str
) -> None:
    """A missing one is 1, an unusable one 2; both leave the call as it was."""
    await play.talk()
    refused = await play.ask("jane", operation, 1, **parameters)
    assert refused[:2] == (400, code)
    assert names in refused.body["statusMessage"]
    assert await play.hear() == []


async def test_a_participant_must_be_in_the_call(play: Play) -> None:
    """Its number or extension names it."""
    await play.talk()
    await play("jane", "SingleStepConference", 1, destination="15003")
    refused = await play.ask("jane", "RemoveParticipantFromConference", 1, participant="15009")
    assert refused[:2] == (400, 2)
    assert "participant" in refused.body["statusMessage"]
    told = await play("jane", "RemoveParticipantFromConference", 1, participant="220")
    assert told[0] == "alex 1 Released"


async def test_an_outbound_caller_id_is_what_the_called_one_sees(play: Play) -> None:
    """It must be a number."""
    refused = await play.ask("jane", "Dial", destination="15002", outboundCallerId="nobody")
    assert refused[:2] == (400, 2)
    assert refused.body["statusMessage"].startswith("outboundCallerId: ")
    await play("jane", "Dial", destination="15002", outboundCallerId="+12025550100")
    assert play.with_whom("john") == ["+12025550100"]
