"""Where the stories of operations begin, and what each device sees of a step."""

from __future__ import annotations

from collections.abc import Iterable

from relay.calls.commands import Answer, Consult
from relay.calls.events import CallEvent
from relay.calls.model import Address
from relay.switch.simulator import PhoneAction
from tests.calls.calling import ALEX, JANE, JOHN, device_story
from tests.switch.exchange import Exchange

BUSY = Address(number="+12025550101")
NOBODY = Address(number="+12025550102")
REJECTING = Address(number="+12025550103")


async def talking(caller: Address = JANE, callee: Address = JOHN) -> Exchange:
    """Return an exchange with one answered call, its story so far left out."""
    exchange = Exchange()
    await exchange.dial(caller, callee)
    if callee.ours:
        await exchange.act(exchange.callee, Answer())
    else:
        exchange.run(until=200)
    exchange.events.clear()
    return exchange


async def consulting(*, answered: bool = True, to: Address = ALEX) -> Exchange:
    """Return an exchange where jane talks with john, and asks advice elsewhere; the story begins there."""
    exchange = await talking()
    await exchange.act(exchange.caller, Consult(""), to=to)
    if answered:
        exchange.press(exchange.leg(to), PhoneAction.ANSWER)
    return exchange


def since(told: Iterable[CallEvent]) -> dict[str, list[str]]:
    """Return each device's part of a step's story."""
    found = {at.extension or "": device_story(told, at) for at in (JANE, JOHN, ALEX)}
    return {extension: story for extension, story in found.items() if story}
