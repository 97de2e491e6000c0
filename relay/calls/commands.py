"""What can be asked of a leg, as values; who may ask it when is told by capabilities and control."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

import msgspec

from relay.calls.capabilities import Operation

DTMF: Final = re.compile(r"[0-9*#A-D]{1,64}")
"""Tones of a telephone keypad with A to D (RFC 4733, section 3.2); 64 bounds how long one command plays."""


class Answer(msgspec.Struct, frozen=True):
    """Pick up a leg that is alerted."""

    operation: ClassVar[Operation] = Operation.ANSWER


class Reject(msgspec.Struct, frozen=True):
    """Refuse a leg that is alerted."""

    operation: ClassVar[Operation] = Operation.REJECT


class Hangup(msgspec.Struct, frozen=True):
    """Release the leg."""

    operation: ClassVar[Operation] = Operation.HANGUP


class SendDtmf(msgspec.Struct, frozen=True):
    """Send tones from the leg; `DTMF` is the grammar of the digits."""

    digits: str
    operation: ClassVar[Operation] = Operation.SEND_DTMF


class Hold(msgspec.Struct, frozen=True):
    """Put the call on hold, as far as this leg goes; the other legs' states stay."""

    operation: ClassVar[Operation] = Operation.HOLD


class Retrieve(msgspec.Struct, frozen=True):
    """Take the call back from hold."""

    operation: ClassVar[Operation] = Operation.RETRIEVE


class Mute(msgspec.Struct, frozen=True):
    """Let the others no longer hear the leg."""

    operation: ClassVar[Operation] = Operation.MUTE


class Unmute(msgspec.Struct, frozen=True):
    """Let the others hear the leg again."""

    operation: ClassVar[Operation] = Operation.UNMUTE


class Transfer(msgspec.Struct, frozen=True):
    """Put somebody else in the leg's place at once, whether or not they answer; the leg leaves."""

    destination: str
    user_data: dict[str, Any] = {}
    """Joins the call's own."""
    operation: ClassVar[Operation] = Operation.TRANSFER


class Forward(msgspec.Struct, frozen=True):
    """Have somebody else alerted in the leg's place, before it is answered."""

    destination: str
    user_data: dict[str, Any] = {}
    """Joins the call's own."""
    operation: ClassVar[Operation] = Operation.FORWARD


class ForwardToVoicemail(msgspec.Struct, frozen=True):
    """Have a mailbox answer in the leg's place."""

    mailbox: str
    """Id of its user."""
    operation: ClassVar[Operation] = Operation.FORWARD


class TransferToVoicemail(msgspec.Struct, frozen=True):
    """Leave the others of the call to a mailbox."""

    mailbox: str
    """Id of its user."""
    operation: ClassVar[Operation] = Operation.TRANSFER


class TransferToOrbit(msgspec.Struct, frozen=True):
    """Leave the call in a parking place."""

    orbit: str
    operation: ClassVar[Operation] = Operation.TRANSFER


class Flip(msgspec.Struct, frozen=True):
    """Go on at another phone of one's own once it is answered; or at the same, which rings anew."""

    device_id: str
    operation: ClassVar[Operation] = Operation.FLIP


class Park(msgspec.Struct, frozen=True):
    """Leave the call in whatever parking place is free."""

    operation: ClassVar[Operation] = Operation.PARK


class PickUp(msgspec.Struct, frozen=True):
    """Take a parked call at one of one's own phones."""

    device_id: str
    operation: ClassVar[Operation] = Operation.PICK_UP


class Reply(msgspec.Struct, frozen=True):
    """Have a message read to the caller in place of answering, after which the leg ends."""

    text: str
    operation: ClassVar[Operation] = Operation.REPLY


class Conference(msgspec.Struct, frozen=True):
    """Add somebody to the call at once; it goes on if they do not come."""

    destination: str
    user_data: dict[str, Any] = {}
    """Joins the call's own."""
    operation: ClassVar[Operation] = Operation.CONFERENCE


class Consult(msgspec.Struct, frozen=True):
    """Hold the leg and call somebody from its device, to complete a transfer or a conference later."""

    destination: str
    user_data: dict[str, Any] = {}
    """The consult call's."""
    operation: ClassVar[Operation] = Operation.CONSULT


class CompleteTransfer(msgspec.Struct, frozen=True):
    """Join the others of a call and of its consult call, and leave both. Asked of either."""

    other: str | None = None
    """The leg in the other of the two calls; None: the only one there is."""
    operation: ClassVar[Operation] = Operation.COMPLETE_TRANSFER


class CompleteConference(msgspec.Struct, frozen=True):
    """Bring the others of a consult call into its parent. Asked of either."""

    other: str | None = None
    """The leg in the other of the two calls; None: the only one there is."""
    operation: ClassVar[Operation] = Operation.COMPLETE_CONFERENCE


class Swap(msgspec.Struct, frozen=True):
    """Hold the one of two calls that is talked on and retrieve the one that is held."""

    other: str
    """The leg in the other call."""
    operation: ClassVar[Operation] = Operation.SWAP


class Merge(msgspec.Struct, frozen=True):
    """Make one conference of two calls: the held one goes on; of two alike the one named as the other."""

    other: str
    """The leg in the other call."""
    operation: ClassVar[Operation] = Operation.MERGE


class Bridge(msgspec.Struct, frozen=True):
    """Join the others of two calls, and leave both. Of two that are not related, the leg's own goes on."""

    other: str | None = None
    """The leg in the other call; None: the only one there is."""
    operation: ClassVar[Operation] = Operation.BRIDGE


class BringIn(msgspec.Struct, frozen=True):
    """Bring the others of a call into the leg's conference."""

    other: str
    """The leg in the other call."""
    operation: ClassVar[Operation] = Operation.BRING_IN


class RemoveParticipant(msgspec.Struct, frozen=True):
    """Release another leg of the conference."""

    participant: str
    """Its leg id, extension or number."""
    operation: ClassVar[Operation] = Operation.REMOVE_PARTICIPANT


class Clear(msgspec.Struct, frozen=True):
    """Release every leg of the conference."""

    operation: ClassVar[Operation] = Operation.CLEAR


class StartRecording(msgspec.Struct, frozen=True):
    """Record the leg."""

    operation: ClassVar[Operation] = Operation.START_RECORDING


class StopRecording(msgspec.Struct, frozen=True):
    """End the leg's recording for good."""

    operation: ClassVar[Operation] = Operation.STOP_RECORDING


class PauseRecording(msgspec.Struct, frozen=True):
    """Interrupt the leg's recording."""

    operation: ClassVar[Operation] = Operation.PAUSE_RECORDING


class ResumeRecording(msgspec.Struct, frozen=True):
    """Go on with the leg's recording."""

    operation: ClassVar[Operation] = Operation.RESUME_RECORDING


class BargeIn(msgspec.Struct, frozen=True):
    """Let the supervisor be heard by everybody."""

    operation: ClassVar[Operation] = Operation.BARGE_IN


class ListenIn(msgspec.Struct, frozen=True):
    """Let the supervisor be heard by nobody again."""

    operation: ClassVar[Operation] = Operation.LISTEN_IN


class MuteMonitored(msgspec.Struct, frozen=True):
    """Let the others no longer hear the monitored leg."""

    operation: ClassVar[Operation] = Operation.MUTE_MONITORED


class UnmuteMonitored(msgspec.Struct, frozen=True):
    """Let the others hear the monitored leg again."""

    operation: ClassVar[Operation] = Operation.UNMUTE_MONITORED


class AttachUserData(msgspec.Struct, frozen=True):
    """Add user data. JSON holds a key once, so the last value given for a key stands."""

    user_data: dict[str, Any]
    operation: ClassVar[Operation] = Operation.SET_USER_DATA


class UpdateUserData(msgspec.Struct, frozen=True):
    """Set the given keys and keep the others; a null removes its key."""

    user_data: dict[str, Any]
    operation: ClassVar[Operation] = Operation.SET_USER_DATA


class DeleteUserDataPair(msgspec.Struct, frozen=True):
    """Remove one key."""

    key: str
    operation: ClassVar[Operation] = Operation.SET_USER_DATA


class DeleteUserData(msgspec.Struct, frozen=True):
    """Remove all user data."""

    operation: ClassVar[Operation] = Operation.SET_USER_DATA


class SetDisposition(msgspec.Struct, frozen=True):
    """Note in the user data what came of the call, during it or after."""

    disposition: str
    key: str = "DispositionCode"
    operation: ClassVar[Operation] = Operation.SET_DISPOSITION


UserDataAction = AttachUserData | UpdateUserData | DeleteUserDataPair | DeleteUserData | SetDisposition
"""What control carries out itself: user data is relay's, not the switch's."""

Adding = Transfer | Conference | Consult | Forward
"""Actions that lead to a destination."""

ToVoicemail = ForwardToVoicemail | TransferToVoicemail

AtDevice = Flip | PickUp
"""Actions that lead to a phone of one's own."""

Pairing = CompleteTransfer | CompleteConference | Swap | Merge | Bridge | BringIn
"""Actions on two calls of one device."""

RecordingAction = StartRecording | StopRecording | PauseRecording | ResumeRecording

MonitorAction = BargeIn | ListenIn | MuteMonitored | UnmuteMonitored

LegAction = (
    Answer
    | Reject
    | Hangup
    | Hold
    | Retrieve
    | Mute
    | Unmute
    | SendDtmf
    | Adding
    | ToVoicemail
    | TransferToOrbit
    | AtDevice
    | Park
    | Reply
    | Pairing
    | RemoveParticipant
    | Clear
    | RecordingAction
    | MonitorAction
)
"""What the switch carries out."""

Action = LegAction | UserDataAction
