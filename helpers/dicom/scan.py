"""A folder, a zip or a list of files -> which series are in it. Headers only; nothing is decoded."""

from __future__ import annotations

import html
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from helpers.dicom import tags
from helpers.dicom.fast import Reader
from helpers.dicom.frames import Broken, Frame, Localizer, Mosaic, frames_of, image_format
from helpers.dicom.groups import Group, contrast_findings, group, missing_by_number
from helpers.dicom.header import Header, identity_of, quiet
from helpers.dicom.multiframe import incomplete
from helpers.dicom.rescale import header_findings
from helpers.dicom.sources import Entry, Unreadable, at_home, check_exists, list_entries, stay_open
from helpers.dicom.stack import Stack, arrange
from helpers.findings import DicomSeriesError, Finding, some

KINDS = {Localizer: "localizer", Mosaic: "mosaic", Broken: "broken"}
Source = str | os.PathLike | Iterable[str | os.PathLike]


@dataclass(frozen=True)
class Skip:
    """A file that is in no series, with the reason; uid of the series it says it belongs to, if it does."""

    name: str
    reason: str
    kind: str = "skipped"
    uid: str = ""


@dataclass(eq=False)
class SeriesInfo:
    """One volume that could be read: what its headers say, without patient identity.

    files: sorted along the slice normal. shape: (slices, rows, columns). spacing: (dz, dy, dx) mm, dz from the
    positions. extent: the size of the block in mm in the same order. tilt: degrees. part: which time, echo or
    orientation, where one series holds several.
    """

    uid: str = field(repr=False)  # some hold a date
    modality: str
    description: str
    n_slices: int
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    extent: tuple[float, float, float]
    tilt: float
    findings: list[Finding]
    part: str
    stack: Stack = field(repr=False)
    broken: list[Skip] = field(default_factory=list, repr=False)  # files that belong to this series, or may

    @cached_property
    def files(self) -> list[Path]:
        """The files of this volume, sorted along the slice normal."""
        return [Path(path) for path in dict.fromkeys(frame.header.entry.path for frame in self.stack.frames)]

    def __str__(self) -> str:
        spacing = " x ".join(f"{step:.4g}" for step in self.spacing)
        what = " ".join(word for word in (self.modality or "?", repr(self.description), self.part) if word)
        kinds = ", ".join(dict.fromkeys(finding.kind for finding in self.findings))
        size = f"{self.n_slices} x {self.shape[1]} x {self.shape[2]}, {spacing} mm"
        return f"{what}: {size}" + (f" ({kinds})" if kinds else "")


class SeriesList(list[SeriesInfo]):
    """All volumes of a folder; `skipped` lists the files that belong to none, as (file, reason)."""

    def __init__(self, series: Iterable[SeriesInfo] = (), skips: Iterable[Skip] = ()):
        super().__init__(series)
        self.skips = list(skips)

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """(file, reason) for everything that is in no series."""
        return [(skip.name, skip.reason) for skip in self.skips]

    def largest(self) -> SeriesInfo:
        """The CT with the most voxels, else the largest of what there is; DicomSeriesError where there is nothing."""
        if not self:
            raise self.empty()
        return max(self, key=lambda info: (info.modality == "CT", math.prod(info.shape)))

    def empty(self, findings: Sequence[Finding] = ()) -> DicomSeriesError:
        """The error that says why there is no series in it."""
        told = [f"{skip.name}{' is' if skip.kind == 'skipped' else ':'} {skip.reason}" for skip in self.skips]
        return DicomSeriesError(f"No readable series here: {some(told) or 'there are no files'}.", findings)

    HEADINGS = (
        "",
        "modality",
        "description",
        "slices",
        "matrix",
        "spacing slice, row, column (mm)",
        "tilt",
        "findings",
    )

    def rows(self) -> list[tuple[str, ...]]:
        """The table as texts, one row per series."""
        return [
            (
                str(number),
                info.modality,
                f"{info.description} {info.part}".strip(),
                str(info.n_slices),
                f"{info.shape[1]} x {info.shape[2]}",
                ", ".join(f"{step:.4g}" for step in info.spacing),
                f"{info.tilt:.1f}°" if info.tilt else "",
                ", ".join(dict.fromkeys(finding.kind for finding in info.findings)),
            )
            for number, info in enumerate(self)
        ]

    def __repr__(self) -> str:
        table = [self.HEADINGS, *self.rows()]
        widths = [max(map(len, column)) for column in zip(*table)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]
        return "\n".join([*lines, f"{len(self)} series, {len(self.skips)} files skipped"])

    def _repr_html_(self) -> str:
        def row(cells: Iterable[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        body = "".join(row(cells, "td") for cells in self.rows())
        note = f"<p>{len(self)} series, {len(self.skips)} files skipped</p>"
        return f"<table><thead>{row(self.HEADINGS, 'th')}</thead><tbody>{body}</tbody></table>{note}"


def scan_folder(path: Source) -> SeriesList:
    """Every series below a folder, in a zip archive or in a list of files; headers only, sub-folders included.

    Never raises for what a file holds: what is no slice of a volume is in `.skipped` with its reason.
    Raises FileNotFoundError when the path itself does not exist, PermissionError when it may not be looked at, and
    TypeError for what is no path.
    """
    if not isinstance(path, str | os.PathLike):
        path = list(path) if isinstance(path, Iterable) else [path]
        strange = [type(item).__name__ for item in path if not isinstance(item, str | os.PathLike)]
        if strange:
            raise TypeError(f"Give a folder, a zip archive, a file or a list of these, not {strange[0]}.")
    else:
        if not os.fspath(path):
            raise FileNotFoundError("The path is empty; give a folder, a zip archive or a DICOM file.")
        check_exists(at_home(path))
    entries, unread = list_entries(path)
    skips = [Skip(name, reason) for name, reason in unread]
    frames: list[Frame] = []
    with stay_open(), quiet():
        for header in headers(entries, skips):
            try:
                frames.extend(frames_of(header))
            except Unreadable as error:
                uid = tags.text(header.raw.get(tags.SERIES_UID))
                skips.append(Skip(header.name, str(error), KINDS.get(type(error), "skipped"), uid))
        series = SeriesList([describe(member, frames) for member in group(frames)], skips)
    for info in series:
        info.broken = [skip for skip in skips if skip.kind == "broken" and skip.uid in (info.uid, "")]
    return series


def headers(entries: list[Entry], skips: list[Skip]) -> Iterable[Header]:
    """The header of every entry that has one; the others go to `skips`."""
    reader = Reader()
    for entry in entries:
        try:
            yield reader.read(entry)
        except Unreadable as error:
            skips.append(Skip(entry.name, str(error), KINDS.get(type(error), "skipped")))


def describe(member: Group, everything: list[Frame]) -> SeriesInfo:
    """What the headers of one group say; `everything` is what was found beside it."""
    stack = arrange(member.frames)
    frame, named = stack.places[0][0], identity_of(frame.header for frame in stack.frames)
    raw = frame.header.raw
    rows, columns, *_ = image_format(frame.header)
    dy, dx = frame.geometry.spacing or (1.0, 1.0)
    count = len(stack.places)
    spacing = (stack.step, dy, dx)
    slots = stack.slots[-1] + 1
    findings = [
        *header_findings(stack.frames),
        *contrast_findings(stack.frames),
        *incomplete(stack.frames, everything),
        *stack.findings,
        *stack.gaps,
        *stack.blocking,
    ]
    if member.sisters == 1 and not stack.gaps and len(stack.places) == len(stack.frames):
        findings += missing_by_number(stack.frames)
    if member.sisters > 1:
        text = f"The series holds {member.sisters} sets of slices that are no one volume; this is one of them."
        findings.append(Finding("mixed", text))
    return SeriesInfo(
        uid=tags.text(raw.get(tags.SERIES_UID)),
        modality=frame.header.free_text(tags.MODALITY, named),
        description=frame.header.free_text(tags.SERIES_DESCRIPTION, named),
        n_slices=count,
        shape=(count, rows, columns),
        spacing=spacing,
        extent=(slots * stack.step, rows * dy, columns * dx),
        tilt=stack.tilt,
        findings=findings,
        part=member.part,
        stack=stack,
    )
