"""Asking an archive: does it answer (C-ECHO, PS3.4 annex A), and what has it got (C-FIND, PS3.4 annex C)."""

from __future__ import annotations

import datetime
import difflib
import re
import time
from collections.abc import Iterator, Sequence

import pandas as pd
from pydicom.datadict import dictionary_VR, keyword_dict
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
)

from helpers.pacs.archive import Archive, PacsError, accepted, associate, lost, retrying
from helpers.pacs.log import MessageLog, status_words

LEVELS = ("patient", "study", "series", "image")
UNIQUE_KEYS = {
    "patient": "PatientID",
    "study": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
    "image": "SOPInstanceUID",
}
_PATIENT = ["PatientID", "PatientName", "PatientBirthDate", "PatientSex"]
# What is asked for at each level; whatever the archive does not keep comes back empty.
_COLUMNS = {
    "patient": [*_PATIENT, "NumberOfPatientRelatedStudies", "NumberOfPatientRelatedInstances"],
    "study": [
        *_PATIENT[:2],
        *("StudyInstanceUID", "StudyDate", "StudyDescription", "AccessionNumber", "ModalitiesInStudy"),
        *("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"),
    ],
    "series": [
        *("StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription"),
        "NumberOfSeriesRelatedInstances",
    ],
    "image": ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "InstanceNumber"],
}
# Which level an attribute belongs to (PS3.4, C.6.1 and C.6.2): an archive need not look at one of another level.
_HOME = dict.fromkeys([*_PATIENT, "IssuerOfPatientID", "OtherPatientIDs", "NumberOfPatientRelatedStudies"], "patient")
_HOME |= dict.fromkeys(
    [*_COLUMNS["study"][2:], "StudyTime", "StudyID", "ReferringPhysicianName", "PatientAge"], "study"
)
_HOME |= dict.fromkeys(
    [
        *_COLUMNS["series"][1:],
        *("SeriesDate", "SeriesTime", "BodyPartExamined", "ProtocolName", "Manufacturer", "ManufacturerModelName"),
        *("StationName", "InstitutionName", "Laterality", "PatientPosition", "FrameOfReferenceUID"),
    ],
    "series",
)


def echo(archive: Archive, *, log: MessageLog | None = None) -> float:
    """Ask whether the archive answers (C-ECHO); returns the seconds from question to answer. Raises PacsError."""
    with associate(archive, log=log) as association:
        start = time.perf_counter()
        status = association.send_c_echo()
        seconds = time.perf_counter() - start
        _check_status(archive, association, status, "the echo")
    return seconds


def find(
    archive: Archive, level: str = "study", *, also: Sequence[str] = (), log: MessageLog | None = None, **wanted: object
) -> pd.DataFrame:
    """Ask what the archive has got (C-FIND): one row per patient, study, series or image that matches.

    wanted: DICOM keywords. Text may hold the wildcards * and ?, as in PatientName="DOE*". A date is a `datetime.date`,
    "20260131" or "2026-01-31"; a pair (from, to) is a range, None leaves an end open. A list of UIDs matches any of
    them.
    also: further keywords to ask for, as additional columns.
    The columns are DICOM keywords; dates become datetime64, whole numbers Int64, everything else str ("" if not kept).
    A question below the level of the study first finds the studies, then asks each: the strict way, which every archive
    understands (PS3.4, C.4.1.2.2.1). The answer holds names: it is what the archive says. Raises PacsError, ValueError.
    """
    if level not in LEVELS:
        raise ValueError(f"{level!r} is no level: ask for one of {', '.join(LEVELS)}.")
    filters = {keyword: _as_text(keyword, value) for keyword, value in wanted.items()}
    for keyword in [*also, *filters]:
        _check_keyword(keyword, level)
    model, root = _model(level)

    def attempt() -> list[Dataset]:
        with associate(archive, [build_context(model)], log=log) as association:
            if not accepted(association, model):
                raise PacsError(f"{archive} answers no queries: it accepts no {model.name}.", "no_context")
            return list(walk(archive, association, root, level, filters, also))

    answers = retrying(archive, attempt)
    columns = list(dict.fromkeys([*_COLUMNS[level], *filters, *also]))
    return _table(answers, columns)


def walk(
    archive: Archive, association: Association, root: str, level: str, filters: dict[str, str], also: Sequence[str] = ()
) -> Iterator[Dataset]:
    """The answers at `level`, reached from `root` down: each level above is asked unless its unique key is given."""
    levels = LEVELS[LEVELS.index(root) : LEVELS.index(level) + 1]
    conditions = {name: {k: v for k, v in filters.items() if _level_of(k, root) == name} for name in levels}
    parents: list[dict[str, str]] = _shortcut(archive, association, root, levels, conditions)
    for name in levels[:-1] if not parents else ():
        parents = _step_down(archive, association, root, name, parents or [{}], conditions[name])
        if not parents:
            return
    for parent in parents or [{}]:
        ask = dict.fromkeys([*_columns(level, root), *also], "") | parent | conditions[level]
        for answer in _ask(archive, association, root, level, ask):
            for keyword, value in parent.items():  # an archive may leave the keys of the levels above out of its answer
                if not answer.get(keyword):
                    setattr(answer, keyword, value)
            yield answer


def _step_down(archive, association, root, name, parents, conditions) -> list[dict[str, str]]:
    """The unique keys down to level `name`, for every parent found so far."""
    key = UNIQUE_KEYS[name]
    if set(conditions) == {key} and _exact(conditions[key]):
        return [parent | conditions for parent in parents]
    found = []
    for parent in parents:
        answers = list(_ask(archive, association, root, name, {key: ""} | parent | conditions))
        found += [parent | {key: str(answer[key].value)} for answer in answers if answer.get(key)]
    return found


def _shortcut(archive, association, root, levels, conditions) -> list[dict[str, str]]:
    """The keys above a series or image known by its UID alone, where the archive answers such a relational question.

    Without it one known series would cost a query for each study of the archive. [] where there is nothing to shorten
    or the archive stays strict.
    """
    given = [n for n in levels[1:] if _exact(conditions[n].get(UNIQUE_KEYS[n], ""))]
    if not given:
        return []
    name = given[0]
    above = [UNIQUE_KEYS[n] for n in levels[: levels.index(name)]]
    if any(conditions[n] for n in levels[: levels.index(name)]):
        return []
    try:
        answers = list(_ask(archive, association, root, name, dict.fromkeys(above, "") | conditions[name]))
    except PacsError:
        if not association.is_established:
            raise
        return []
    keys = [*above, UNIQUE_KEYS[name]][: len(levels) - 1]
    found = [{key: str(answer.get(key) or "") for key in keys} for answer in answers]
    return found if all(all(entry.values()) for entry in found) else []


def _ask(archive: Archive, association: Association, root: str, level: str, ask: dict[str, str]) -> Iterator[Dataset]:
    """One C-FIND request and its answers."""
    query = Dataset()
    query.QueryRetrieveLevel = level.upper()
    if not all(str(value).isascii() for value in ask.values()):
        query.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in ask.items():
        setattr(query, keyword, value or None if dictionary_VR(keyword) == "SQ" else value)
    for status, answer in association.send_c_find(query, _model("patient" if root == "patient" else "study")[0]):
        if "Status" in status and status.Status in (0xFF00, 0xFF01):
            if answer is not None:
                yield answer
            continue
        _check_status(archive, association, status, "the query")


def _check_status(archive: Archive, association: Association, status: Dataset, what: str) -> None:
    if "Status" not in status:
        raise lost(archive, association)
    if status.Status != 0x0000:
        # the archive's own ErrorComment is left out: it may hold a name
        raise PacsError(f"{archive} refuses {what}: {status_words(status.Status)}.", "refused")


def _model(level: str):
    if level == "patient":
        return PatientRootQueryRetrieveInformationModelFind, "patient"
    return StudyRootQueryRetrieveInformationModelFind, "study"


def _level_of(keyword: str, root: str) -> str:
    level = _HOME.get(keyword, "image")
    return "study" if level == "patient" and root == "study" else level


def _columns(level: str, root: str) -> list[str]:
    return [k for k in _COLUMNS[level] if _level_of(k, root) == level]


def _exact(value: str) -> bool:
    return bool(value) and not any(mark in value for mark in "*?\\")


def _check_keyword(keyword: str, level: str) -> None:
    if keyword not in keyword_dict:
        near = difflib.get_close_matches(keyword, keyword_dict, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"{keyword} is no DICOM keyword.{hint}")
    if LEVELS.index(_HOME.get(keyword, "image")) > LEVELS.index(level):
        other = " (or ModalitiesInStudy)" if keyword == "Modality" else ""
        raise ValueError(
            f"{keyword} belongs to the {_HOME.get(keyword, 'image')} level{other}, not to the {level} level."
        )


def _as_text(keyword: str, value: object) -> str:
    """A condition as DICOM writes it: dates YYYYMMDD, ranges with a hyphen, lists with a backslash (PS3.4, C.2.2.2)."""
    if keyword in keyword_dict and dictionary_VR(keyword) == "DA":
        if isinstance(value, (tuple, list)):
            if len(value) != 2:
                raise ValueError(f"{keyword} takes a date or a pair (from, to).")
            return "-".join(_date(keyword, end) for end in value)
        return _date(keyword, value)
    if isinstance(value, (tuple, list, set, pd.Series)):
        return "\\".join(str(item) for item in value)
    return "" if value is None else str(value)


def _date(keyword: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime.date):
        return value.strftime("%Y%m%d")
    text = re.sub(r"^(\d{4})-(\d\d)-(\d\d)$", r"\1\2\3", str(value))
    if not re.fullmatch(r"(\d{8})?(-(\d{8})?)?", text):
        raise ValueError(f"{keyword} is no date as given: write 20260131, 2026-01-31 or a datetime.date.")
    return text


def _table(answers: list[Dataset], columns: list[str]) -> pd.DataFrame:
    table = pd.DataFrame([[_plain(a.get(k)) for k in columns] for a in answers], columns=columns, dtype=object)
    for keyword in columns:
        kind = dictionary_VR(keyword)
        if kind == "DA":
            days = table[keyword].astype(str).str.replace(".", "", regex=False)
            table[keyword] = pd.to_datetime(days, format="%Y%m%d", errors="coerce")
        elif kind in ("IS", "US", "UL", "SS", "SL"):
            table[keyword] = pd.to_numeric(table[keyword], errors="coerce").astype("Int64")
        else:
            table[keyword] = table[keyword].astype(str)
    return table


def _plain(value: object) -> str:
    if value is None:
        return ""
    return ", ".join(str(item) for item in value) if isinstance(value, MultiValue) else str(value)
