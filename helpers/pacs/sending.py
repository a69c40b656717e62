"""Images on their way to an archive (C-STORE, PS3.4 annex B): one result per file, a broken line taken up again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

import pandas as pd
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from helpers.pacs.archive import (
    MAX_CONTEXTS,
    Archive,
    PacsError,
    Progress,
    TransferInterrupted,
    accepted,
    associate,
    lost,
    retrying,
)
from helpers.pacs.files import Outgoing, few, outgoing, read_whole
from helpers.pacs.log import MessageLog, status_words
from helpers.pacs.query import walk

_UNCOMPRESSED = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]


def store(
    archive: Archive,
    source: object,
    *,
    skip_existing: bool = True,
    progress: Progress | None = None,
    log: MessageLog | None = None,
) -> pd.DataFrame:
    """Send a folder, file, list of files or series (anything with `.files`) to the archive: one row per file.

    Columns: file, status, message. status: stored · already there · warning (stored, but the archive remarked on it) ·
    refused · no such SOP class (this kind of object, or its compression) · not DICOM · not an object · damaged ·
    duplicate.
    skip_existing: ask first what the archive has, and send only the rest; False sends all again.
    progress: called with (files done, files in all). The files are sent as they are, pixels bit by bit.
    Raises PacsError when no conversation comes about, TransferInterrupted (with the rows in `.results`, status
    "not sent" for the rest) when the archive goes away and `archive.retries` attempts do not bring it back.
    """
    files, left_out = outgoing(source)
    outcome: dict[str, tuple[str, str]] = {name: (status, message) for name, status, message in left_out}
    total = len(files) + len(left_out)
    touched = False

    def settle(name: str, status: str, message: str = "") -> None:
        outcome[name] = (status, message)
        if progress:
            progress(len(outcome), total)

    def attempt(batch: list[Outgoing]) -> None:
        nonlocal touched
        with associate(archive, [*_store_contexts(batch), *_find_context(skip_existing)], log=log) as association:
            touched = True
            rest = [item for item in batch if item.name not in outcome]
            there = _already_there(archive, association, rest) if skip_existing else set()
            for item in rest:
                if item.instance in there:
                    settle(item.name, "already there")
                else:
                    settle(item.name, *_send(archive, association, item))

    try:
        for batch in _batches(files):
            retrying(archive, partial(attempt, batch), done=lambda: len(outcome))
    except PacsError as error:
        if not touched:
            raise
        rest = [item.name for item in files if item.name not in outcome]
        outcome.update({name: ("not sent", "") for name in rest})
        words = f"{len(rest)} of {total} files were not sent ({few(rest)}): the same call again sends the rest."
        raise TransferInterrupted(f"{error} {words}", _results(outcome)) from error
    return _results(outcome)


def _send(archive: Archive, association: Association, item: Outgoing) -> tuple[str, str]:
    """Send one file; its status and message. Raises AssociationLost."""
    if not association.is_established:
        raise lost(archive, association)
    if not _can_carry(association, item):
        return "no such SOP class", f"the archive does not take {_kind(item)}"
    try:
        answer = association.send_c_store(read_whole(item.path))
    except ValueError as error:
        if not association.is_established:
            raise lost(archive, association) from error
        return "damaged", str(error) if "cut short" in str(error) else "cannot be encoded for sending"
    except RuntimeError as error:  # the archive hung up between the check above and the sending
        raise lost(archive, association) from error
    except (OSError, EOFError, AttributeError, KeyError, TypeError, NotImplementedError) as error:
        return "damaged", f"cannot be read ({type(error).__name__})"
    if "Status" not in answer:
        raise lost(archive, association)
    if answer.Status == 0x0000:
        return "stored", ""
    if answer.Status >> 12 == 0xB:
        return "warning", status_words(answer.Status)
    status = "no such SOP class" if answer.Status == 0x0122 else "refused"
    return status, status_words(answer.Status)


def _already_there(archive: Archive, association: Association, files: list[Outgoing]) -> set[str]:
    """The SOP instance UIDs of these files' series that the archive has; none where it answers no queries."""
    if not accepted(association, StudyRootQueryRetrieveInformationModelFind):
        return set()
    there: set[str] = set()
    for study, series in dict.fromkeys((item.study, item.series) for item in files):
        keys = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
        there |= {str(answer.get("SOPInstanceUID")) for answer in walk(archive, association, "study", "image", keys)}
    return there


def _find_context(wanted: bool) -> list:
    return [build_context(StudyRootQueryRetrieveInformationModelFind)] if wanted else []


def _needs(item: Outgoing) -> list[tuple[str, str]]:
    """The (SOP class, transfer syntax) pairs that could carry a file: its own, and those it can be rewritten to."""
    others = _UNCOMPRESSED[:2] if item.syntax in _UNCOMPRESSED else []
    return [(item.sop_class, syntax) for syntax in dict.fromkeys([item.syntax, *others])]


def _store_contexts(batch: list[Outgoing]) -> list:
    return [build_context(*pair) for pair in dict.fromkeys(itertools.chain.from_iterable(map(_needs, batch)))]


def _batches(files: list[Outgoing]) -> Iterator[list[Outgoing]]:
    """Files in groups whose presentation contexts fit into one association (nearly always a single group)."""
    batch: list[Outgoing] = []
    pairs: set[tuple[str, str]] = set()
    for item in files:
        if len(pairs | set(_needs(item))) > MAX_CONTEXTS:
            yield batch
            batch, pairs = [], set()
        batch.append(item)
        pairs |= set(_needs(item))
    if batch:
        yield batch


def _can_carry(association: Association, item: Outgoing) -> bool:
    offered = {(c.abstract_syntax, c.transfer_syntax[0]) for c in association.accepted_contexts}
    return any(pair in offered for pair in _needs(item))


def _kind(item: Outgoing) -> str:
    return f"{UID(item.sop_class).name} as {UID(item.syntax).name}"


def _results(outcome: dict[str, tuple[str, str]]) -> pd.DataFrame:
    rows = [(name, *outcome[name]) for name in sorted(outcome)]
    return pd.DataFrame(rows, columns=["file", "status", "message"], dtype=str)
