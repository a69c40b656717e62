"""One series -> one volume in Hounsfield units, or a sentence that says why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from helpers.dicom import tags
from helpers.dicom.frames import Frame
from helpers.dicom.header import identity_of, quiet
from helpers.dicom.load import load, same_pixels
from helpers.dicom.padding import find_padding
from helpers.dicom.scan import SeriesInfo, SeriesList, Skip, Source, scan_folder
from helpers.dicom.sources import stay_open
from helpers.dicom.stack import Stack
from helpers.findings import DicomSeriesError, Finding, plural, some
from helpers.volume import CTVolume

GAPS = ("raise", "keep", "fill")
MOST_FILLED = 4  # times as many slices as there are: a folder with two far-off slices must not become a huge volume


def read_series(
    source: Source | SeriesInfo | SeriesList,
    *,
    series_uid: str | None = None,
    dtype: Any = None,
    gaps: str = "raise",
    out: np.ndarray | None = None,
    workers: int = 1,
    progress: Callable[..., Iterable] | None = None,
) -> CTVolume:
    """One series as a volume in Hounsfield units: stored value x slope + intercept for every voxel, nothing clipped.

    source: folder, zip archive, file, list of these, or what `scan_folder` gave: all of it, or one entry.
    series_uid: which series, where the source holds several. Several candidates are refused with the list.
    dtype: None takes int16 where that is exact for every voxel, else float32; or np.int16, np.float32, np.float64.
    gaps: what to do when slices are missing or unevenly spaced: "raise"; "keep" stacks what is there; "fill" puts
    slices interpolated from their neighbours in (they are listed in `.invented` and count as outside).
    out: an array of the right shape and type to read into. workers: threads for plain files, processes for compressed
    ones. progress: `tqdm`, or anything else called as progress(iterable, total=number) and giving the items back.

    Raises DicomSeriesError (a ValueError) naming the file and the remedy; its `.findings` hold everything met.
    """
    if gaps not in GAPS:
        raise ValueError(f"gaps must be one of {', '.join(GAPS)}, not {gaps!r}.")
    if not isinstance(workers, int) or workers < 1:
        raise ValueError(f"workers must be a whole number from 1 on, not {workers!r}.")
    with stay_open(), quiet():
        return _read(*_choose(source, series_uid), gaps, dtype=dtype, out=out, workers=workers, progress=progress)


def _read(info: SeriesInfo, skips: list[Skip], gaps: str, **options: Any) -> CTVolume:
    stack = info.stack
    findings = [finding for finding in info.findings if finding.kind != "duplicate"]
    findings = [finding for finding in findings if finding not in stack.gaps] + _left_out(skips, info)
    _refuse_blocked(stack, findings, gaps)
    frames, doubles = _without_doubles(stack, findings)
    findings += doubles
    slots = stack.slots if gaps == "fill" else list(range(len(frames)))
    hu, met = load(frames, slots, **options)
    findings += [*stack.gaps, *met]
    padding, said = find_padding(hu[slots] if len(hu) != len(slots) else hu, frames)
    findings += said
    if gaps == "fill" and len(hu) != len(slots):
        return _with_filled(hu, slots, stack, findings, frames, padding)
    return CTVolume(hu, stack.affine, findings, _meta(frames[0], stack), padding)


def _choose(source: Source | SeriesInfo | SeriesList, series_uid: str | None) -> tuple[SeriesInfo, list[Skip]]:
    """The one series that is meant, and the files that were left out of it."""
    if isinstance(source, SeriesInfo):  # chosen on purpose: only what surely belongs to it stands in the way
        return source, [skip if skip.uid else replace(skip, kind="skipped") for skip in source.broken]
    series = source if isinstance(source, SeriesList) else _listed(source)
    if series_uid is not None:
        chosen = [info for info in series if info.uid == series_uid]
    else:
        chosen = list(series)
    if len(chosen) == 1:
        uids = (series_uid, "")
        skips = series.skips if series_uid is None else [skip for skip in series.skips if skip.uid in uids]
        return chosen[0], skips
    findings = [Finding(skip.kind, f"{skip.name}: {skip.reason}.", (skip.name,)) for skip in series.skips]
    if chosen:
        listed = "; ".join(f"[{series.index(info)}] {info}" for info in chosen[:20])
        findings.append(Finding("mixed", f"{len(chosen)} candidates.", ()))
        raise DicomSeriesError(
            f"{len(chosen)} series or parts of one could be meant: {listed}. "
            "Pass one of scan_folder(...) to read_series, or its series_uid where that is unique.",
            findings,
        )
    _raise_nothing(series, series_uid, findings)


def _listed(source: Source | Sequence[SeriesInfo]) -> SeriesList:
    """What is in a source; a part of what `scan_folder` gave is one, too."""
    if isinstance(source, list | tuple) and source and all(isinstance(item, SeriesInfo) for item in source):
        return SeriesList(source, {id(skip): skip for info in source for skip in info.broken}.values())
    return scan_folder(source)


def _raise_nothing(series: SeriesList, series_uid: str | None, findings: list[Finding]) -> None:
    if series_uid is not None and series:
        listed = "; ".join(str(info) for info in series[:20])
        raise DicomSeriesError(f"No series has the UID that was asked for; there are: {listed}.", findings)
    raise series.empty(findings)


def _left_out(skips: list[Skip], info: SeriesInfo) -> list[Finding]:
    """One finding per kind of file that was left out; a broken slice of this very series ends the reading."""
    broken = [skip for skip in skips if skip.kind == "broken" and skip.uid in (info.uid, "")]
    if broken:
        text = "; ".join(f"{skip.name}: {skip.reason}" for skip in broken[:3])
        finding = Finding("broken", f"{text}.", tuple(skip.name for skip in broken))
        raise DicomSeriesError(
            f"{plural(len(broken), 'file')} of this series cannot be used: {text}. "
            "Fetch the series again, or leave the file out on purpose by passing the list of the others.",
            [*info.findings, finding],
        )
    findings = []
    for kind in dict.fromkeys(skip.kind for skip in skips):
        these = [skip for skip in skips if skip.kind == kind]
        reasons: dict[str, list[str]] = {}
        for skip in these:
            reasons.setdefault(skip.reason, []).append(skip.name)
        told = [f"{some(names)} ({reason})" for reason, names in reasons.items()]
        names = tuple(skip.name for skip in these)
        findings.append(Finding("skipped" if kind == "broken" else kind, f"Left out: {some(told)}.", names))
    return findings


def _refuse_blocked(stack: Stack, findings: list[Finding], gaps: str) -> None:
    everything = [*findings, *stack.gaps]
    if stack.blocking:
        raise DicomSeriesError(" ".join(finding.message for finding in stack.blocking), everything)
    if stack.gaps and gaps == "raise":
        text = " ".join(finding.message for finding in stack.gaps[:3])
        remedy = 'Use gaps="keep" to stack what is there' + (
            ' or gaps="fill" to interpolate.' if stack.fillable else "."
        )
        left_out = "".join(f"{finding.message} " for finding in findings if finding.kind == "skipped")
        raise DicomSeriesError(f"{text} {left_out}{remedy}", everything)
    if stack.gaps and gaps == "fill" and not stack.fillable:
        text = " ".join(finding.message for finding in stack.gaps if finding.kind == "uneven_spacing")
        raise DicomSeriesError(f'{text} Only gaps of whole steps can be filled; use gaps="keep".', everything)
    if stack.gaps and gaps == "fill" and stack.slots[-1] + 1 > MOST_FILLED * len(stack.slots):
        invented = stack.slots[-1] + 1 - len(stack.slots)
        text = f"{len(stack.slots)} slices and {invented} missing among them: more to invent than there is."
        raise DicomSeriesError(f'{text} Use gaps="keep" to stack what is there.', everything)


def _without_doubles(stack: Stack, findings: list[Finding]) -> tuple[list[Frame], list[Finding]]:
    """One frame per position: equal ones are dropped and said, others refused by name."""
    frames, dropped = [], []
    for place in stack.places:
        frames.append(place[0])
        for other in place[1:]:
            if not same_pixels(place[0], other):
                names = (place[0].name, other.name)
                text = f"{names[0]} and {names[1]} have the same position but different pixels."
                remedy = "Keep one of them, or pass the files of one series."
                if place[0].header is other.header:
                    remedy = "The file does not say what tells them apart; another program must split it."
                raise DicomSeriesError(f"{text} {remedy}", [*findings, Finding("duplicate", text, names)])
            dropped.append(other.name)
    if not dropped:
        return frames, []
    text = f"{plural(len(dropped), 'slice')} with the pixels and position of another one dropped: {some(dropped)}."
    return frames, [Finding("duplicate", text, tuple(dropped))]


def _with_filled(hu, slots: list[int], stack: Stack, findings, frames, padding) -> CTVolume:
    """Missing slices interpolated from their neighbours, and marked as not measured."""
    missing = sorted(set(range(len(hu))) - set(slots))
    for slot in missing:
        below = max(s for s in slots if s < slot)
        above = min(s for s in slots if s > slot)
        part = (slot - below) / (above - below)
        between = (1 - part) * hu[below].astype(np.float32) + part * hu[above].astype(np.float32)
        hu[slot] = np.rint(between) if hu.dtype.kind == "i" else between
    numbers = some(list(map(str, missing)))
    text = f"{plural(len(missing), 'slice')} ({numbers}) interpolated from the neighbours: not measured, and outside."
    findings = [*findings, Finding("filled", text)]
    mask = np.zeros(hu.shape, bool)
    mask[missing] = True
    if padding is not None:
        mask[slots] = padding.mask(hu[slots])
    return CTVolume(hu, stack.whole, findings, _meta(frames[0], stack), mask, tuple(missing))


def _meta(frame: Frame, stack: Stack) -> dict[str, Any]:
    """Technical facts only: no name, number, date or UID; people write names into texts of the scanner too."""
    identity = identity_of(frame.header for frame in stack.frames)
    raw, free = frame.header.raw.get, partial(frame.header.free_text, identity=identity)
    centres, widths = tags.numbers(raw(tags.WINDOW_CENTRE)), tags.numbers(raw(tags.WINDOW_WIDTH))
    meta = {
        "modality": free(tags.MODALITY),
        "manufacturer": free(tags.MANUFACTURER),
        "model": free(tags.MODEL),
        "kernel": free(tags.KERNEL),
        "kvp": tags.number(raw(tags.KVP)),
        "body_part": free(tags.BODY_PART),
        "patient_position": free(tags.PATIENT_POSITION),
        "slice_thickness": tags.number(raw(tags.SLICE_THICKNESS)),
        "photometric": tags.text(raw(tags.PHOTOMETRIC)),
        "transfer_syntax": frame.header.syntax,
        "slope": frame.slope,
        "intercept": frame.intercept,
        "windows": list(zip(centres, widths)),
        "tilt": stack.tilt,
        "files": [f.name for f in stack.frames],
    }
    return {key: value for key, value in meta.items() if value not in ("", None, [])}
