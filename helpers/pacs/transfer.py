"""Images on their way to an archive (C-STORE, PS3.4 annex B) and back (C-GET, PS3.4 annex C).

Both take a broken connection up again by themselves, and a second call does only what is left. C-GET brings the images
on the association that asked for them; the older C-MOVE makes the archive open one to us, which needs an entry in its
configuration and a listening port here, and is not offered.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from pydicom.dataset import Dataset
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom import build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (
    CTImageStorage,
    MRImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

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
from helpers.pacs.files import Outgoing, clean_parts, is_whole, outgoing, read_whole, safe_uid, write_atomically
from helpers.pacs.log import MessageLog, status_words
from helpers.pacs.query import find, walk

# One context for each, so that the archive can send an image as it keeps it. The first two are the ones all must know.
_SYNTAXES = [
    *(ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, JPEGLosslessSV1, RLELossless),
    *(JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEG2000, JPEGLSNearLossless, HTJ2KLossless, HTJ2K),
    *(DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian),
]
_UNCOMPRESSED = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]
_ASK_AT_ONCE = 64  # instances named in one request


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
        words = f"{len(rest)} of {total} files were not sent ({_few(rest)}): the same call again sends the rest."
        raise TransferInterrupted(f"{error} {words}", _results(outcome)) from error
    return _results(outcome)


def get(
    archive: Archive,
    folder: str | Path,
    *,
    progress: Progress | None = None,
    log: MessageLog | None = None,
    **wanted: object,
) -> Path:
    """Fetch what matches (conditions as in `find`, such as SeriesInstanceUID=uid) into a folder; returns the folder.

    Every image becomes <folder>/<series UID>/<instance UID>.dcm, byte for byte as sent, whole or not at all. Images
    already there and whole are not fetched again, so a second call completes the first (one call per folder at a time).
    progress: called with (images there, images in all).
    Raises ValueError without a condition, PacsError("empty") when nothing matches, TransferInterrupted when images are
    still missing after `archive.retries` attempts: `.results` has a row per image: file, number, status, message.
    """
    if not wanted:
        raise ValueError("get() needs a condition, for example SeriesInstanceUID=uid: without one it would fetch all.")
    folder = Path(folder)
    images = find(archive, "image", log=log, **wanted)
    if images.empty:
        raise PacsError(f"{archive} has no image that matches: look with find() first.", "empty")
    images["path"] = [_place(folder, r.SeriesInstanceUID, r.SOPInstanceUID) for r in images.itertuples()]
    for path in {path.parent for path in images["path"]}:
        clean_parts(path)
    here = {r.SOPInstanceUID for r in images.itertuples() if is_whole(r.path, r.SOPInstanceUID)}
    failed: dict[str, str] = {}
    try:
        for _, series in images.groupby("SeriesInstanceUID", sort=False):
            job = partial(_fetch, archive, series, here, failed, len(images), progress, log)
            retrying(archive, job, done=lambda: len(here))
        if failed:
            raise PacsError(next(iter(failed.values())), "refused")
    except PacsError as error:
        missing = images[~images["SOPInstanceUID"].isin(here)]
        numbers = [str(number) for number in missing["InstanceNumber"]]
        words = f"{len(missing)} of {len(images)} images are missing (instance numbers {_few(numbers)})"
        again = "what arrived is whole, and the same call again fetches the rest."
        raise TransferInterrupted(f"{error} {words}: {again}", _got(images, here, failed)) from error
    return folder


def _place(folder: Path, series: str, instance: str) -> Path:
    return folder / safe_uid(series) / f"{safe_uid(instance)}.dcm"


def _fetch(archive, series: pd.DataFrame, here: set[str], failed: dict[str, str], total: int, progress, log) -> None:
    """Fetch the images of one series that are not here yet."""
    paths = dict(zip(series["SOPInstanceUID"], series["path"]))
    missing = [uid for uid in paths if uid not in here]
    if not missing:
        return

    def keep(event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        if uid in paths:  # whatever else is sent was not asked for
            write_atomically(paths[uid], event.encoded_dataset())
            here.add(uid)
            if progress:
                progress(len(here), total)
        return 0x0000

    classes = sorted({uid for uid in series["SOPClassUID"] if uid}) or [CTImageStorage, MRImageStorage]
    model = StudyRootQueryRetrieveInformationModelGet
    contexts = [build_context(model), *_get_contexts(classes)]
    # Without scp_role the archive has no way to hand us the images (PS3.7, D.3.3.4)
    roles = [build_role(uid, scu_role=True, scp_role=True) for uid in classes]
    handlers = [(evt.EVT_C_STORE, keep)]
    with associate(archive, contexts, negotiation=roles, handlers=handlers, log=log) as association:
        if not accepted(association, model):
            raise PacsError(f"{archive} hands out no images this way: it accepts no {model.name}.", "no_context")
        for uids in [None] if len(missing) == len(paths) else _chunks(missing, _ASK_AT_ONCE):
            _ask_for(archive, association, series, uids, failed)
    for uid in missing:
        if uid not in here:
            failed.setdefault(uid, f"{archive} said it was done, but did not send every image.")


def _ask_for(archive, association: Association, series: pd.DataFrame, uids: Sequence[str] | None, failed) -> None:
    """One C-GET: a whole series (uids None), or some of its instances."""
    first = series.iloc[0]
    query = Dataset()
    query.QueryRetrieveLevel = "SERIES" if uids is None else "IMAGE"
    query.StudyInstanceUID, query.SeriesInstanceUID = first["StudyInstanceUID"], first["SeriesInstanceUID"]
    if uids is not None:
        query.SOPInstanceUID = list(uids)
    for status, _ in association.send_c_get(query, StudyRootQueryRetrieveInformationModelGet):
        if "Status" not in status:
            raise lost(archive, association)
        if status.Status not in (0x0000, 0xFF00):
            asked = series["SOPInstanceUID"] if uids is None else uids
            failed.update(dict.fromkeys(asked, f"{archive} does not hand it out: {status_words(status.Status)}."))


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


def _get_contexts(classes: Sequence[str]) -> list:
    """As many syntaxes for each SOP class as an association has room for."""
    each = max(1, min(len(_SYNTAXES), MAX_CONTEXTS // len(classes)))
    return [build_context(uid, syntax) for uid in classes for syntax in _SYNTAXES[:each]][:MAX_CONTEXTS]


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _few(names: Sequence[str]) -> str:
    """The first names of a list, for a sentence."""
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def _results(outcome: dict[str, tuple[str, str]]) -> pd.DataFrame:
    rows = [(name, *outcome[name]) for name in sorted(outcome)]
    return pd.DataFrame(rows, columns=["file", "status", "message"], dtype=str)


def _got(images: pd.DataFrame, here: set[str], failed: dict[str, str]) -> pd.DataFrame:
    uids = images["SOPInstanceUID"]
    return pd.DataFrame(
        {
            "file": [path.name for path in images["path"]],
            "number": images["InstanceNumber"],
            "status": ["received" if uid in here else "missing" for uid in uids],
            "message": ["" if uid in here else failed.get(uid, "") for uid in uids],
        }
    )
