"""What two DICOM machines say to each other, written down message by message and without the patient.

The names are those of the standard: A-... messages open and close an association (PS3.8, 9.3), C-... messages are the
services on it (PS3.7, 9.1); RQ is a request, RSP a response. Only the kind of message, its status, the kind of object
and its size are kept. Names, identifiers, dates and instance UIDs never enter the log, so it can be shown around.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pandas as pd
from pydicom.uid import UID
from pynetdicom import evt

from helpers.findings import plural

_PDU_NAMES = {
    "A_ASSOCIATE_RQ": "A-ASSOCIATE-RQ",
    "A_ASSOCIATE_AC": "A-ASSOCIATE-AC",
    "A_ASSOCIATE_RJ": "A-ASSOCIATE-RJ",
    "A_RELEASE_RQ": "A-RELEASE-RQ",
    "A_RELEASE_RP": "A-RELEASE-RP",
    "A_ABORT_RQ": "A-ABORT",
}


@dataclass(frozen=True)
class Message:
    """One message: seconds since the first, sender ("client" or "archive"), name, a detail, bytes of data carried."""

    seconds: float
    sender: str
    name: str
    detail: str
    size: int


@dataclass
class MessageLog:
    """Collects messages; pass one as `log=` to echo, store, find, get or local_server and look at it afterwards."""

    messages: list[Message] = field(default_factory=list)
    _start: float | None = None

    def table(self) -> pd.DataFrame:
        """One row per message: seconds, sender, message, detail, bytes (of the data set carried, 0 if none)."""
        rows = [(m.seconds, m.sender, m.name, m.detail, m.size) for m in self.messages]
        return pd.DataFrame(rows, columns=["seconds", "sender", "message", "detail", "bytes"])

    def summary(self) -> pd.DataFrame:
        """The log with repeated runs folded: sender, message, detail, times, bytes (their sum).

        A run is one message, or a group of up to three, that comes again and again: 24 slices are two rows, not 48.
        """
        rows: list[list] = []
        index, messages = 0, self.messages
        while index < len(messages):
            length, times = _run(messages, index)
            for offset in range(length):
                group = messages[index + offset : index + length * times : length]
                first = group[0]
                rows.append([first.sender, first.name, first.detail, times, sum(m.size for m in group)])
            index += length * times
        return pd.DataFrame(rows, columns=["sender", "message", "detail", "times", "bytes"])

    def handlers(self, side: str = "client") -> list:
        """Event handlers for pynetdicom; `side` is the one that keeps the log, "client" or "archive"."""
        other = {"client": "archive", "archive": "client"}[side]
        return [
            (evt.EVT_PDU_SENT, self._pdu, [side]),
            (evt.EVT_PDU_RECV, self._pdu, [other]),
            (evt.EVT_DIMSE_SENT, self._dimse, [side]),
            (evt.EVT_DIMSE_RECV, self._dimse, [other]),
        ]

    def _add(self, sender: str, name: str, detail: str, size: int = 0) -> None:
        now = time.perf_counter()
        self._start = now if self._start is None else self._start
        self.messages.append(Message(now - self._start, sender, name, detail, size))

    def _pdu(self, event: evt.Event, sender: str) -> None:
        kind = type(event.pdu).__name__
        if kind in _PDU_NAMES:  # the data PDUs are told by their DIMSE message
            self._add(sender, _PDU_NAMES[kind], _pdu_detail(kind, event.pdu))

    def _dimse(self, event: evt.Event, sender: str) -> None:
        message = event.message
        name = type(message).__name__.replace("_", "-")
        data = message.data_set
        self._add(sender, name, _dimse_detail(message.command_set), data.getbuffer().nbytes if data else 0)


def _run(messages: list[Message], index: int) -> tuple[int, int]:
    """How many messages from `index` on form a unit (1 to 3) and how often it is repeated."""

    def said(start: int, length: int) -> list[tuple[str, str, str]]:
        return [(m.sender, m.name, m.detail) for m in messages[start : start + length]]

    best = (1, 1)
    for length in (1, 2, 3):
        unit, times = said(index, length), 1
        while len(unit) == length and said(index + length * times, length) == unit:
            times += 1
        if times > 1 and length * times > best[0] * best[1]:
            best = (length, times)
    return best


def _pdu_detail(kind: str, pdu) -> str:
    if kind == "A_ASSOCIATE_RQ":
        offered = len(pdu.presentation_context)
        contexts = plural(offered, "presentation context")
        return f"{pdu.calling_ae_title} calls {pdu.called_ae_title}, offers {contexts}"
    if kind == "A_ASSOCIATE_AC":
        results = [context.result for context in pdu.presentation_context]
        return f"{results.count(0)} of {len(results)} presentation contexts accepted"
    if kind == "A_ASSOCIATE_RJ":
        try:
            return pdu.reason_str.lower()
        except ValueError:
            return "reason not in the standard"
    return ""


def _dimse_detail(command) -> str:
    """The kind of object asked for, or the status; nothing that points to a patient (instance UIDs do)."""
    if "Status" in command:
        return status_words(command.Status)
    uid = command.get("AffectedSOPClassUID")
    return UID(uid).name if uid else ""


def status_words(status: int) -> str:
    """A DIMSE status in words, for example 0xFF00 -> "0xFF00 pending" (PS3.7, annex C; PS3.4, B.2.3 and C.4)."""
    known = {0x0000: "success", 0x0122: "no such SOP class", 0x0124: "not authorised", 0xFE00: "cancelled"}
    if status in known:
        words = known[status]
    elif status in (0xFF00, 0xFF01):
        words = "pending"
    elif status >> 8 == 0xA7:
        words = "out of resources"
    elif status >> 8 == 0xA9:
        words = "data set does not match its SOP class"
    elif status >> 12 == 0xB:
        words = "warning"
    elif status >> 12 == 0xC:
        words = "cannot understand"
    else:
        words = "failure"
    return f"0x{status:04X} {words}"
