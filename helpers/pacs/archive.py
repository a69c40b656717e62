"""Where an archive is and how to reach it: the address, the association, and what to say when that fails."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ASSOCIATE_RJ
from pynetdicom.sop_class import Verification

from helpers.pacs.log import MessageLog

Progress = Callable[[int, int], None]
Result = TypeVar("Result")
MAX_CONTEXTS = 126  # 128 odd numbers fit in the one byte of PS3.8, 9.3.2.2; two stay free for echo and query


class PacsError(ConnectionError):
    """A conversation with an archive failed. `.reason` is one of unreachable, not_dicom, called_ae, calling_ae, busy,
    rejected, no_context, timeout, aborted, refused, empty, interrupted."""

    def __init__(self, message: str, reason: str):
        super().__init__(message)
        self.reason = reason


class TransferInterrupted(PacsError):
    """The archive went away in the middle. What arrived is whole; `.results` names every file and what became of it."""

    def __init__(self, message: str, results: pd.DataFrame):
        super().__init__(message, "interrupted")
        self.results = results


class AssociationLost(PacsError):
    """Inside this package: the line broke after the association stood, a new association may go on."""


@dataclass(frozen=True)
class Archive:
    """The address of an archive, and how patient to be with it.

    host, port: TCP address. ae_title: its application entity title; calling: ours (both at most 16 characters).
    connect_timeout, timeout: seconds to wait for the connection and for each answer.
    retries: how often a broken transfer is taken up again, after `pause`, 2 `pause`, 4 `pause` ... seconds.
    """

    host: str = "127.0.0.1"
    port: int = 104
    ae_title: str = "ANY-SCP"
    calling: str = "MEDIMG"
    connect_timeout: float = 5.0
    timeout: float = 30.0
    retries: int = 2
    pause: float = 0.5

    def __post_init__(self) -> None:
        for title in (self.ae_title, self.calling):
            if not title.strip() or len(title) > 16 or not title.isascii() or "\\" in title or not title.isprintable():
                raise ValueError(f"{title!r} is no AE title: 1 to 16 ASCII characters without backslash are allowed.")
        if not 0 < self.port < 65536:
            raise ValueError(f"{self.port} is no TCP port: a number from 1 to 65535 is (DICOM likes 104 and 11112).")

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}"


@contextmanager
def associate(
    archive: Archive,
    contexts: Sequence = (),
    *,
    negotiation: Sequence = (),
    handlers: Sequence = (),
    log: MessageLog | None = None,
) -> Iterator[Association]:
    """An association that is released at the end, whatever happens (an open one holds the archive up for seconds).

    contexts: presentation contexts to offer beside Verification, which is always offered: with no context accepted the
    association would end before one could say which one is missing. Raises PacsError when it cannot be opened.
    """
    entity = AE(ae_title=archive.calling)
    entity.connection_timeout = archive.connect_timeout
    entity.acse_timeout = entity.dimse_timeout = archive.timeout
    entity.network_timeout = max(60.0, archive.timeout)
    connected: list[bool] = []
    answers: list = []
    hear = (evt.EVT_PDU_RECV, lambda event: answers.append(event.pdu))
    watch = [hear, (evt.EVT_CONN_OPEN, lambda event: connected.append(True)), (evt.EVT_CONN_OPEN, send_at_once)]
    association = entity.associate(
        archive.host,
        archive.port,
        contexts=[build_context(Verification), *contexts],
        ae_title=archive.ae_title,
        max_pdu=1 << 17,  # the default of 16 KiB cuts one slice into 32 pieces
        ext_neg=list(negotiation),
        evt_handlers=[*watch, *handlers, *(log.handlers() if log else ())],
    )
    if not association.is_established:
        raise _why_not(archive, answers, bool(connected))
    association.unbind(*hear)
    _leave_answers_alone(association)
    try:
        yield association
        if association.is_established:
            association.release()
    finally:
        if association.is_established:  # an exception passed through: do not leave the other side waiting
            association.abort()


def retrying(archive: Archive, attempt: Callable[[], Result], done: Callable[[], int] = lambda: 0) -> Result:
    """Call `attempt` until it succeeds, giving up after `archive.retries` failures in a row without a step forward.

    The first contact is not repeated when nobody answers (a wrong port should be told at once); a line that broke later
    is, and so is a busy archive. `done` counts what has been reached, so that a long transfer may break more than once.
    """
    tries, reached, contact = 0, done(), False
    while True:
        try:
            return attempt()
        except PacsError as error:
            broken = isinstance(error, AssociationLost)
            contact = contact or broken
            again = broken or error.reason == "busy" or (contact and error.reason in ("unreachable", "not_dicom"))
            if done() > reached:
                tries, reached = 0, done()
            if not again or tries >= archive.retries:
                raise
            time.sleep(archive.pause * 2**tries)
            tries += 1


def send_at_once(event: evt.Event) -> None:
    """Switch TCP's collecting of small packets off: a request is two writes, and the second would wait 40 ms for the
    receipt of the first (Nagle's algorithm against delayed acknowledgement), which is most of the time of a slice."""
    with suppress(AttributeError, OSError):  # the socket may be gone already; without the option it is only slower
        event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _leave_answers_alone(association: Association) -> None:
    """Keep pynetdicom's background thread from taking an answer that the caller waits for.

    That thread looks for requests from the other side. Preempted at the wrong moment it picks up the response to our
    own request and drops it, and the caller waits until the timeout (seen once in 2000 stores on a busy machine, with
    3.0.4). A client has no requests to expect outside its own calls, which fetch their messages with block=True.
    """
    take = association.dimse.get_msg
    association.dimse.get_msg = lambda block=False: take(block=True) if block else (None, None)


def accepted(association: Association, sop_class: str, role: str = "scu") -> bool:
    """Whether the archive accepted a presentation context for this SOP class in our role ("scu" or "scp")."""
    return any(c.abstract_syntax == sop_class and getattr(c, f"as_{role}") for c in association.accepted_contexts)


def lost(archive: Archive, association: Association) -> AssociationLost:
    """The error for an answer that never came: the archive hung up, or said nothing for too long."""
    if association.acse.is_aborted("a-abort"):
        return AssociationLost(f"{archive} broke the association off.", "aborted")
    if association.acse.is_aborted("a-p-abort"):
        return AssociationLost(f"The connection to {archive} broke: it stopped, or the network did.", "aborted")
    words = f"{archive} gave no answer within {archive.timeout:g} s: wait longer with Archive(timeout=...)."
    return AssociationLost(words, "timeout")


def _why_not(archive: Archive, answers: Sequence, connected: bool) -> PacsError:
    """Why no association stands, in a sentence with its remedy.

    answers: the PDUs that came. The association itself is no witness: of an archive that rejects and hangs up at once
    pynetdicom 3.0.4 may see the hanging up only (it looks whether the line is open before it looks for the answer).
    """
    where = f"{archive.host}:{archive.port}"
    if not connected:
        words = f"Nothing answers at {where}: check host, port and firewall, and that the archive is running."
        return PacsError(words, "unreachable")
    for answer in answers:
        if isinstance(answer, A_ASSOCIATE_RJ):
            return _rejection(archive, answer.to_primitive())
    words = (
        f"Something answers at {where}, but does not open a DICOM association: wrong port (a web server's, perhaps), "
        "or the archive is stopping."
    )
    return PacsError(words, "not_dicom")


def _rejection(archive: Archive, answer) -> PacsError:
    """The reasons of A-ASSOCIATE-RJ, PS3.8 table 9-21."""
    source, diagnostic = answer.result_source, answer.diagnostic
    where = f"{archive.host}:{archive.port}"
    if (source, diagnostic) == (1, 7):
        words = f"The archive at {where} does not answer to the AE title {archive.ae_title}: ask for its own title."
        return PacsError(words, "called_ae")
    if (source, diagnostic) == (1, 3):
        words = f"{archive} does not know us as {archive.calling}: its administrator has to add this AE title."
        return PacsError(words, "calling_ae")
    if source == 3 or answer.result == 2:
        return PacsError(f"{archive} is busy: try again later, or with fewer clients at once.", "busy")
    words = f"{archive} rejects the association without a known reason: ask its administrator what its log says."
    return PacsError(words, "rejected")
