"""Every operation a call takes by POST: its parameters, and what it asks of the call's leg."""

from __future__ import annotations

from typing import Final, NamedTuple

from marshmallow import Schema

from relay.calls import commands
from relay.dialects.gws import schemas


class CallOperation(NamedTuple):
    """One operation."""

    schema: Schema
    action: type[commands.Action]
    """What it asks for; its members are the schema's."""


_NOTHING: Final = schemas.Operation()
_USER_DATA: Final = schemas.UserData()
_DESTINATION: Final = schemas.Destination()
_CONSULT_CALL: Final = schemas.ConsultCall()
_OTHER_CALL: Final = schemas.OtherCall()

CALL_OPERATIONS: Final[dict[str, CallOperation]] = {
    "Answer": CallOperation(_NOTHING, commands.Answer),
    "Hangup": CallOperation(_NOTHING, commands.Hangup),
    "Hold": CallOperation(_NOTHING, commands.Hold),
    "Retrieve": CallOperation(_NOTHING, commands.Retrieve),
    "SendDtmf": CallOperation(schemas.Tones(), commands.SendDtmf),
    "SingleStepTransfer": CallOperation(_DESTINATION, commands.Transfer),
    "SingleStepConference": CallOperation(_DESTINATION, commands.Conference),
    "InitiateTransfer": CallOperation(_DESTINATION, commands.Consult),
    "InitiateConference": CallOperation(_DESTINATION, commands.Consult),
    "AttachUserData": CallOperation(_USER_DATA, commands.AttachUserData),
    "UpdateUserData": CallOperation(_USER_DATA, commands.UpdateUserData),
    "DeleteUserDataPair": CallOperation(schemas.Key(), commands.DeleteUserDataPair),
    "DeleteUserData": CallOperation(_NOTHING, commands.DeleteUserData),
    "SetCallDisposition": CallOperation(schemas.Disposition(), commands.SetDisposition),
    "ClearCall": CallOperation(_NOTHING, commands.Clear),
    "StartCallRecording": CallOperation(_NOTHING, commands.StartRecording),
    "PauseCallRecording": CallOperation(_NOTHING, commands.PauseRecording),
    "ResumeCallRecording": CallOperation(_NOTHING, commands.ResumeRecording),
    "StopCallRecording": CallOperation(_NOTHING, commands.StopRecording),
    "MuteCall": CallOperation(_NOTHING, commands.Mute),
    "UnmuteCall": CallOperation(_NOTHING, commands.Unmute),
    "SwapCalls": CallOperation(_OTHER_CALL, commands.Swap),
    "CompleteConference": CallOperation(_CONSULT_CALL, commands.CompleteConference),
    "CompleteTransfer": CallOperation(_CONSULT_CALL, commands.CompleteTransfer),
    "MergeWithOtherCall": CallOperation(_OTHER_CALL, commands.Merge),
    "RemoveParticipantFromConference": CallOperation(schemas.Participant(), commands.RemoveParticipant),
    "SwitchToBargeIn": CallOperation(_NOTHING, commands.BargeIn),
    "SwitchToListenIn": CallOperation(_NOTHING, commands.ListenIn),
    "MuteMonitoredUser": CallOperation(_NOTHING, commands.MuteMonitored),
    "UnmuteMonitoredUser": CallOperation(_NOTHING, commands.UnmuteMonitored),
}
"""By name, in the order in which calls list what they do not list first."""
