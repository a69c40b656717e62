"""A small archive for practice and tests: storage, query and retrieve in this process, on the loopback address only."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)

from helpers.pacs.archive import Archive, send_at_once
from helpers.pacs.files import clean_parts, safe_uid, write_atomically
from helpers.pacs.log import MessageLog
from helpers.pacs.query import UNIQUE_KEYS

_COUNTS = {
    "NumberOfPatientRelatedStudies": "StudyInstanceUID",
    "NumberOfPatientRelatedSeries": "SeriesInstanceUID",
    "NumberOfPatientRelatedInstances": "SOPInstanceUID",
    "NumberOfStudyRelatedSeries": "SeriesInstanceUID",
    "NumberOfStudyRelatedInstances": "SOPInstanceUID",
    "NumberOfSeriesRelatedInstances": "SOPInstanceUID",
}


@contextmanager
def local_server(
    folder: str | Path | None = None,
    *,
    ae_title: str = "PRACTICE",
    allow: Iterable[str] | None = None,
    sop_classes: Iterable[str] | None = None,
    cut_after: int | None = None,
    log: MessageLog | None = None,
) -> Iterator[Archive]:
    """A small archive on 127.0.0.1 and a free port, for the length of a `with` block; yields its address.

    folder: where it keeps its files, <series UID>/<instance UID>.dcm; DICOM files already there are part of it. None: a
    temporary folder that is gone afterwards. ae_title: the only title it answers to. allow: the AE titles it talks to
    (None: all). sop_classes: the SOP class UIDs it stores (None: all of the standard). cut_after: break the association
    off after that many images, once, as a pulled cable would. log: keeps the messages from the archive's side.
    It speaks C-ECHO, C-STORE, C-FIND and C-GET, takes several clients at once, and never listens on another address.
    """
    with tempfile.TemporaryDirectory(prefix="archive-") as own:
        shelf = _Shelf(Path(own if folder is None else folder).expanduser(), cut_after)
        entity = AE(ae_title=ae_title)
        entity.require_called_aet = True
        entity.require_calling_aet = list(allow or ())
        entity.maximum_associations = 20
        entity.maximum_pdu_size = 1 << 17
        known = [context.abstract_syntax for context in AllStoragePresentationContexts]
        for sop_class in known if sop_classes is None else sop_classes:
            entity.add_supported_context(sop_class, ALL_TRANSFER_SYNTAXES, scu_role=True, scp_role=True)
        for sop_class in (
            Verification,
            PatientRootQueryRetrieveInformationModelFind,
            PatientRootQueryRetrieveInformationModelGet,
            StudyRootQueryRetrieveInformationModelFind,
            StudyRootQueryRetrieveInformationModelGet,
        ):
            entity.add_supported_context(sop_class)
        handlers = [
            (evt.EVT_CONN_OPEN, send_at_once),
            (evt.EVT_C_STORE, shelf.keep),
            (evt.EVT_C_FIND, shelf.search),
            (evt.EVT_C_GET, shelf.hand_out),
        ]
        handlers += log.handlers("archive") if log else []
        server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        try:
            yield Archive("127.0.0.1", server.server_address[1], ae_title=ae_title)
        finally:
            entity.shutdown()


class _Shelf:
    """The images of the archive: files in a folder, their headers in memory."""

    def __init__(self, folder: Path, cut_after: int | None):
        self.folder = folder
        self.cut_after = cut_after
        self.moved = 0
        self.lock = threading.Lock()
        self.entries: dict[str, tuple[Path, Dataset]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.rglob("*")):
            if path.is_dir():
                clean_parts(path)
            elif path.suffix != ".part":
                self._add(path)

    def _add(self, path: Path) -> None:
        try:
            header = dcmread(path, stop_before_pixels=True)
            self.entries[str(header.SOPInstanceUID)] = (path, header)
        except Exception:  # whatever else lies in the folder is not part of the archive
            return

    def _cut(self, event: evt.Event) -> bool:
        """Whether the cable is pulled now."""
        with self.lock:
            self.moved += 1
            pull = self.cut_after is not None and self.moved > self.cut_after
            if pull:
                self.cut_after = None
        if pull:
            event.assoc.abort()
        return pull

    def keep(self, event: evt.Event) -> int:
        """C-STORE: write the file as it came, then know it."""
        if self._cut(event):
            return 0xA700
        try:
            instance = safe_uid(event.request.AffectedSOPInstanceUID)
            path = self.folder / safe_uid(event.dataset.get("SeriesInstanceUID")) / f"{instance}.dcm"
        except Exception:  # a data set that cannot be decoded, or whose UIDs are none
            return 0xC000
        try:
            write_atomically(path, event.encoded_dataset())
        except OSError:
            return 0xA700
        with self.lock:
            self._add(path)
        return 0x0000

    def search(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        """C-FIND: one answer for each patient, study, series or image whose attributes all match."""
        level = str(event.identifier.get("QueryRetrieveLevel", "")).lower()
        if level not in UNIQUE_KEYS:
            yield 0xA900, None
            return
        for group in self._groups(UNIQUE_KEYS[level]):
            if event.is_cancelled:
                yield 0xFE00, None
                return
            answer = _answer(event.identifier, group, level)
            if answer is not None:
                yield 0xFF00, answer

    def hand_out(self, event: evt.Event) -> Iterator:
        """C-GET: how many images match the unique keys, then the images."""
        keys = [key for key in UNIQUE_KEYS.values() if event.identifier.get(key)]
        with self.lock:
            entries = list(self.entries.values())
        paths = [path for path, head in entries if all(_matches(event.identifier, key, head.get(key)) for key in keys)]
        yield len(paths) if keys else 0
        for path in paths if keys else ():
            if event.is_cancelled:
                yield 0xFE00, None
                return
            if self._cut(event):
                return
            yield 0xFF00, dcmread(path)

    def _groups(self, key: str) -> list[list[Dataset]]:
        groups: dict[str, list[Dataset]] = {}
        with self.lock:
            for _, header in self.entries.values():
                groups.setdefault(str(header.get(key, "")), []).append(header)
        return list(groups.values())


def _answer(query: Dataset, group: list[Dataset], level: str) -> Dataset | None:
    """The attributes asked for, from the headers of one patient, study, series or image; None if one does not fit."""
    first, answer = group[0], Dataset()
    answer.QueryRetrieveLevel = level.upper()
    if "SpecificCharacterSet" in first:
        answer.SpecificCharacterSet = first.SpecificCharacterSet
    for element in query:
        keyword = element.keyword
        if keyword in ("QueryRetrieveLevel", "SpecificCharacterSet") or not keyword or element.VR == "SQ":
            continue
        if keyword in _COUNTS:
            value: object = len({str(header.get(_COUNTS[keyword])) for header in group})
        elif keyword == "ModalitiesInStudy":
            value = sorted({str(header.get("Modality", "")) for header in group})
            if not any(_matches(query, keyword, modality) for modality in value):
                return None
        else:
            value = first.get(keyword)
            if not _matches(query, keyword, value):
                return None
        setattr(answer, keyword, value)
    return answer


def _matches(query: Dataset, keyword: str, value: object) -> bool:
    """Attribute matching of PS3.4, C.2.2.2: universal, list, range, wildcard, single value; names in any case."""
    wanted = query.get(keyword)
    if wanted is None or wanted == "":
        return True
    texts = [str(v) for v in value] if isinstance(value, MultiValue) else ["" if value is None else str(value)]
    if isinstance(wanted, MultiValue):
        return any(text in [str(w) for w in wanted] for text in texts)
    kind, pattern = dictionary_VR(keyword), str(wanted)
    if kind in ("DA", "TM") and "-" in pattern:
        low, high = pattern.split("-")
        return any(text and (not low or text >= low) and (not high or text <= high) for text in texts)
    if kind in ("UI", "DA", "TM", "IS", "DS", "US"):
        return pattern in texts
    expression = re.escape(pattern.rstrip()).replace(r"\*", ".*").replace(r"\?", ".")
    flags = re.IGNORECASE if kind == "PN" else 0
    return any(re.fullmatch(expression, text.rstrip(), flags | re.DOTALL) for text in texts)
