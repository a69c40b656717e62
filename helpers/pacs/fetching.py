"""Images on their way back from an archive (C-GET, PS3.4 annex C): whole files only, and a second call gets the rest.

C-GET brings the images on the association that asked for them. The older C-MOVE makes the archive open one to us, which
needs an entry in its configuration and a listening port here, and is not offered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from pydicom.dataset import Dataset
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
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
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, StudyRootQueryRetrieveInformationModelGet

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
from helpers.pacs.files import clean_parts, few, is_whole, safe_uid, write_atomically
from helpers.pacs.log import MessageLog, status_words
from helpers.pacs.query import find

# One context for each, so that the archive can send an image as it keeps it. The first two are the ones all must know.
_SYNTAXES = [
    *(ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, JPEGLosslessSV1, RLELossless),
    *(JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEG2000, JPEGLSNearLossless, HTJ2KLossless, HTJ2K),
    *(DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian),
]
_ASK_AT_ONCE = 64  # instances named in one request


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
    folder = Path(folder).expanduser()
    images = find(archive, "image", log=log, **wanted)
    if images.empty:
        raise PacsError(f"{archive} has no image that matches: look with find() first.", "empty")
    images["path"] = [_place(folder, r.SeriesInstanceUID, r.SOPInstanceUID) for r in images.itertuples()]
    images = images.drop_duplicates("path")
    for path in {path.parent for path in images["path"]}:
        clean_parts(path)
    here = {r.path for r in images.itertuples() if is_whole(r.path, r.SOPInstanceUID)}
    failed: dict[Path, str] = {}
    try:
        for _, series in images.groupby("SeriesInstanceUID", sort=False):
            job = partial(_fetch, archive, series, here, failed, len(images), progress, log)
            retrying(archive, job, done=lambda: len(here))
        if failed:
            raise PacsError(next(iter(failed.values())), "refused")
    except PacsError as error:
        missing = images[~images["path"].isin(here)]
        numbers = [str(number) for number in missing["InstanceNumber"]]
        words = f"{len(missing)} of {len(images)} images are missing (instance numbers {few(numbers)})"
        again = "what arrived is whole, and the same call again fetches the rest."
        raise TransferInterrupted(f"{error} {words}: {again}", _got(images, here, failed)) from error
    return folder


def _place(folder: Path, series: str, instance: str) -> Path:
    return folder / safe_uid(series) / f"{safe_uid(instance)}.dcm"


def _fetch(archive, series: pd.DataFrame, here: set[Path], failed: dict[Path, str], total: int, progress, log) -> None:
    """Fetch the images of one series that are not here yet."""
    paths = dict(zip(series["SOPInstanceUID"], series["path"]))
    missing = [uid for uid, path in paths.items() if path not in here]
    if not missing:
        return

    def keep(event: evt.Event) -> int:
        path = paths.get(str(event.request.AffectedSOPInstanceUID))
        if path:  # whatever else is sent was not asked for
            write_atomically(path, event.encoded_dataset())
            here.add(path)
            if progress:
                progress(len(here), total)
        return 0x0000

    classes = sorted({uid for uid in series["SOPClassUID"] if uid}) or [CTImageStorage, MRImageStorage]
    model = StudyRootQueryRetrieveInformationModelGet
    contexts = [build_context(model), *_get_contexts(classes)]
    # Without scp_role the archive has no way to hand us the images (PS3.7, D.3.3.4)
    roles = [build_role(uid, scu_role=True, scp_role=True) for uid in classes]
    handlers = [(evt.EVT_C_STORE, keep)]
    refusal = ""
    with associate(archive, contexts, negotiation=roles, handlers=handlers, log=log) as association:
        if not accepted(association, model):
            raise PacsError(f"{archive} hands out no images this way: it accepts no {model.name}.", "no_context")
        for uids in [None] if len(missing) == len(paths) else _chunks(missing, _ASK_AT_ONCE):
            refusal = _ask_for(archive, association, series, uids) or refusal
    words = refusal or f"{archive} said that it was done, but did not send every image."
    failed.update({paths[uid]: words for uid in missing if paths[uid] not in here})


def _ask_for(archive, association: Association, series: pd.DataFrame, uids: Sequence[str] | None) -> str:
    """One C-GET: a whole series (uids None), or some of its instances. Returns why some were not handed out, or ""."""
    query = Dataset()
    query.QueryRetrieveLevel = "SERIES" if uids is None else "IMAGE"
    query.StudyInstanceUID, query.SeriesInstanceUID = series.iloc[0][["StudyInstanceUID", "SeriesInstanceUID"]]
    if uids is not None:
        query.SOPInstanceUID = list(uids)
    refusal = ""
    for status, _ in association.send_c_get(query, StudyRootQueryRetrieveInformationModelGet):
        if "Status" not in status:
            raise lost(archive, association)
        if status.Status not in (0x0000, 0xFF00):
            refusal = f"{archive} does not hand everything out: {status_words(status.Status)}."
    return refusal


def _get_contexts(classes: Sequence[str]) -> list:
    """As many syntaxes for each SOP class as an association has room for."""
    each = max(1, min(len(_SYNTAXES), MAX_CONTEXTS // len(classes)))
    return [build_context(uid, syntax) for uid in classes for syntax in _SYNTAXES[:each]][:MAX_CONTEXTS]


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _got(images: pd.DataFrame, here: set[Path], failed: dict[Path, str]) -> pd.DataFrame:
    paths = images["path"]
    return pd.DataFrame(
        {
            "file": [path.name for path in paths],
            "number": images["InstanceNumber"],
            "status": ["received" if path in here else "missing" for path in paths],
            "message": ["" if path in here else failed.get(path, "") for path in paths],
        }
    )
