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
    "MuteCall": CallOperation(_NOTHING, commands.Mute),
    "UnmuteCall": CallOperation(_NOTHING, commands.Unmute),
    "SendDtmf": CallOperation(schemas.Tones(), commands.SendDtmf),
    "SingleStepTransfer": CallOperation(_DESTINATION, commands.Transfer),
    "SingleStepConference": CallOperation(_DESTINATION, commands.Conference),
    "InitiateTransfer": CallOperation(_DESTINATION, commands.Consult),
    "InitiateConference": CallOperation(_DESTINATION, commands.Consult),
    "CompleteTransfer": CallOperation(_CONSULT_CALL, commands.CompleteTransfer),
    "CompleteConference": CallOperation(_CONSULT_CALL, commands.CompleteConference),
    "SwapCalls": CallOperation(_OTHER_CALL, commands.Swap),
    "MergeWithOtherCall": CallOperation(_OTHER_CALL, commands.Merge),
    "RemoveParticipantFromConference": CallOperation(schemas.Participant(), commands.RemoveParticipant),
    "ClearCall": CallOperation(_NOTHING, commands.Clear),
    "AttachUserData": CallOperation(_USER_DATA, commands.AttachUserData),
    "UpdateUserData": CallOperation(_USER_DATA, commands.UpdateUserData),
    "DeleteUserDataPair": CallOperation(schemas.Key(), commands.DeleteUserDataPair),
    "DeleteUserData": CallOperation(_NOTHING, commands.DeleteUserData),
    "SetCallDisposition": CallOperation(schemas.Disposition(), commands.SetDisposition),
    "StartCallRecording": CallOperation(_NOTHING, commands.StartRecording),
    "StopCallRecording": CallOperation(_NOTHING, commands.StopRecording),
    "PauseCallRecording": CallOperation(_NOTHING, commands.PauseRecording),
    "ResumeCallRecording": CallOperation(_NOTHING, commands.ResumeRecording),
    "SwitchToBargeIn": CallOperation(_NOTHING, commands.BargeIn),
    "SwitchToListenIn": CallOperation(_NOTHING, commands.ListenIn),
    "MuteMonitoredUser": CallOperation(_NOTHING, commands.MuteMonitored),
    "UnmuteMonitoredUser": CallOperation(_NOTHING, commands.UnmuteMonitored),
}
