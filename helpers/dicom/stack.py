"""Frames of one group -> their order along the slice normal, the affine, and everything uneven about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, pairwise

import numpy as np

from helpers.dicom import tags
from helpers.dicom.frames import Frame, image_format
from helpers.findings import Finding, plural, some

SAME_PLACE = 1e-3  # mm: two slices nearer than this lie at the same position
FARTHEST = 200  # steps: a slice farther away from its neighbour is no sign of missing ones, but of a wrong position
TILT = 0.1  # degrees: smaller angles are rounding of the tags


@dataclass
class Stack:
    """Slices in order. places: for every distance along the normal the frames found there (several: duplicates).

    affine: (slice, row, column, 1) -> LPS mm for the slices as they are; whole: for the grid with missing slices put
    in; slots: the index of every place on that grid. blocking: findings that forbid a volume (unless gaps are kept).
    """

    places: list[list[Frame]]
    affine: np.ndarray
    whole: np.ndarray
    slots: list[int]
    tilt: float = 0.0
    step: float = 1.0
    findings: list[Finding] = field(default_factory=list)
    blocking: list[Finding] = field(default_factory=list)
    gaps: list[Finding] = field(default_factory=list)
    fillable: bool = True

    @property
    def frames(self) -> list[Frame]:
        return [frame for place in self.places for frame in place]


def normal_of(orientation: tuple[float, ...]) -> np.ndarray:
    """The unit vector across a slice: row direction x column direction (PS3.3 C.7.6.2.1.1)."""
    return np.cross(orientation[:3], orientation[3:])


def distances(frames: list[Frame]) -> np.ndarray:
    """Position of every frame along the normal of the group, in mm."""
    return _positions(frames) @ normal_of(frames[0].geometry.orientation)


def _positions(frames: list[Frame]) -> np.ndarray:
    """(frames, 3) LPS mm."""
    return np.fromiter(chain.from_iterable([frame.position for frame in frames]), float).reshape(-1, 3)


def has_geometry(frames: list[Frame]) -> bool:
    """True when every frame says where it is and how it is turned."""
    return frames[0].geometry.orientation is not None and all(frame.position is not None for frame in frames)


def place_text(position: np.ndarray) -> str:
    """A patient position for a sentence."""
    return "(" + ", ".join(f"{round(float(value), 3) + 0.0:g}" for value in position) + ") mm"


def arrange(frames: list[Frame]) -> Stack:
    """Sort the frames of one group along their normal and judge the result. Reads no pixels, refuses nothing."""
    if not has_geometry(frames):
        return _without_geometry(frames)
    positions = _positions(frames)
    along = positions @ normal_of(frames[0].geometry.orientation)
    order = np.argsort(along, kind="stable")
    along = along[order]
    breaks = np.flatnonzero(np.diff(along) > SAME_PLACE) + 1
    ordered = [frames[i] for i in order]
    edges = [0, *breaks.tolist(), len(ordered)]
    places = [ordered[a:b] for a, b in pairwise(edges)] if len(edges) < len(ordered) + 1 else [[f] for f in ordered]
    positions = positions[order][edges[:-1]]
    stack = Stack(places, np.eye(4), np.eye(4), list(range(len(places))))
    _note_doubles(stack)
    steps = np.diff(along[edges[:-1]])
    if len(places) == 1:
        _single(stack, positions[0])
    else:
        _note_steps(stack, positions, steps)
        _note_line(stack, positions, min(_spacing(frames[0])))
    _note_planes(stack)
    if frames[0].geometry.spacing is None:
        stack.findings.append(Finding("no_geometry", "PixelSpacing is absent: 1 mm is put in its place."))
    return stack


def _spacing(frame: Frame) -> tuple[float, float]:
    return frame.geometry.spacing or (1.0, 1.0)


def _affine(frame: Frame, origin: np.ndarray, step: np.ndarray) -> np.ndarray:
    """PS3.3 equation C.7.6.2.1-1 with the columns in the order slice, row, column."""
    orientation, (between_rows, between_columns) = frame.geometry.orientation, _spacing(frame)
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = np.array(orientation[3:]) * between_rows  # one row further: down the column direction
    affine[:3, 2] = np.array(orientation[:3]) * between_columns  # one column further: along the row direction
    affine[:3, 3] = origin
    return affine


def _thickness(frame: Frame) -> float | None:
    value = frame.thickness if frame.thickness is not None else tags.number(frame.header.raw.get(tags.SLICE_THICKNESS))
    return value if value is not None and 1e-6 < value < 1e6 else None


def _without_geometry(frames: list[Frame]) -> Stack:
    """One picture without position may be looked at, and so may the frames of one file; several files have no order."""
    between_rows, between_columns = _spacing(frames[0])
    depth = _thickness(frames[0])
    affine = np.diag([between_columns, between_rows, depth or 1.0, 1.0])[:, [2, 1, 0, 3]]
    stack = Stack([[frame] for frame in frames], affine, affine, list(range(len(frames))), step=depth or 1.0)
    names = tuple(frame.name for frame in frames)
    spacing = "" if frames[0].geometry.spacing else ", and without PixelSpacing (1 mm is put in its place)"
    if len(frames) == 1:
        stack.findings.append(Finding("no_geometry", f"A picture without a place in the patient{spacing}.", names))
        stack.findings.append(_single_finding(frames[0]))
    elif all(frame.header is frames[0].header and frame.position is None for frame in frames):
        step = f"{depth:g} mm from SpacingBetweenSlices or SliceThickness" if depth else "1 mm as nothing is said"
        text = f"Frames without a place in the patient{spacing}: kept in the order of the file, {step} apart."
        stack.findings.append(Finding("no_geometry", text))
    else:
        lost = tuple(f.name for f in frames if f.position is None or f.geometry.orientation is None)
        count = plural(len(lost), "slice")
        text = f"{count} without ImagePositionPatient or ImageOrientationPatient: no order can be told ({some(lost)})."
        stack.blocking.append(Finding("no_geometry", text, lost))
    return stack


def _single_finding(frame: Frame) -> Finding:
    thickness = _thickness(frame)
    why = f"SliceThickness, {thickness:g} mm" if thickness else "1 mm, as SliceThickness is absent"
    return Finding("single_slice", f"One slice has no neighbour: its depth is taken from {why}.", (frame.name,))


def _single(stack: Stack, position: np.ndarray) -> None:
    frame = stack.places[0][0]
    stack.step = _thickness(frame) or 1.0
    stack.affine = stack.whole = _affine(frame, position, normal_of(frame.geometry.orientation) * stack.step)
    stack.findings.append(_single_finding(frame))


def _note_doubles(stack: Stack) -> None:
    """Several frames in one plane: duplicates to be compared, unless they lie beside one another."""
    for place in stack.places:
        if len(place) == 1:
            continue
        names = tuple(frame.name for frame in place)
        where = place_text(np.array(place[0].position))
        apart = np.ptp(np.array([frame.position for frame in place]), axis=0).max()
        if apart > max(0.01 * min(_spacing(place[0])), SAME_PLACE):
            text = f"{some(names)} lie in one plane but {apart:.3g} mm beside one another."
            stack.blocking.append(Finding("mixed", text, names))
        else:
            stack.findings.append(Finding("duplicate", f"{some(names)} have the same position {where}.", names))


def _note_steps(stack: Stack, positions: np.ndarray, steps: np.ndarray) -> None:
    """Affine, tilt, missing slices and uneven distances."""
    first = stack.places[0][0]
    base, times = _usual(steps)
    off = np.abs(steps - times * base)
    gap = (times > 1) & (off <= _tolerance(base, 0.05)) & (times <= FARTHEST)
    uneven = np.flatnonzero(((off > _least(base)) | (times > FARTHEST)) & ~gap)
    single = np.where(gap, times, 1)
    stack.slots = [0, *np.cumsum(single).tolist()]
    stack.affine = _affine(first, positions[0], (positions[-1] - positions[0]) / len(steps))
    stack.whole = _affine(first, positions[0], (positions[-1] - positions[0]) / single.sum())
    stack.step = float(steps.sum() / single.sum())
    away = np.abs(np.concatenate([[0.0], np.cumsum(steps)]) - np.array(stack.slots) * stack.step)
    for k in np.flatnonzero(gap):
        stack.gaps.append(_gap_finding(stack, positions, int(k), int(times[k])))
    if uneven.size:
        names = tuple(stack.places[k + 1][0].name for k in uneven)
        text = (
            f"Slice distances run from {steps.min():.4g} to {steps.max():.4g} mm; "
            f"{plural(len(uneven), 'step')} differ{'s' * (len(uneven) == 1)} from the usual {base:.4g} mm, the first "
            f"before {names[0]}."
        )
        far = away.max() > _tolerance(base, 0.1) or bool((times[uneven] > 1).any())
        (stack.gaps if far else stack.findings).append(Finding("uneven_spacing", text, names))
        stack.fillable = not far
    _note_drift(stack, steps, base, away)
    if not stack.gaps:
        _note_sparse(stack, first, base)
        _note_stated(stack, first)
    _note_tilt(stack, first)


def _tolerance(base: float, share: float) -> float:
    """A share of the step in mm; of fine steps up to twice as much, as some writers round positions to 0.1 mm."""
    return max(share * base, min(2 * share * base, 0.1))


def _least(base: float) -> float:
    """Differences in mm up to which distances are equal: positions are written to a hundredth of a millimetre or finer;
    where the distances themselves are as small, a twentieth of them."""
    return max(0.01 * base, min(0.01, 0.05 * base))


def _usual(steps: np.ndarray) -> tuple[float, np.ndarray]:
    """The usual distance, and how many of it each step is (1 at least, FARTHEST + 1 at most).

    The lower median, as one gap among two steps is still a gap; then the mean of all steps near it, as positions that
    were rounded make steps of two lengths.
    """
    base = float(np.sort(steps)[(len(steps) - 1) // 2])
    near = steps[np.abs(steps - base) < 0.2 * base]
    base = float(near.mean())
    return base, np.clip(np.rint(steps / base), 1, FARTHEST + 1).astype(int)


def _note_drift(stack: Stack, steps: np.ndarray, base: float, away: np.ndarray) -> None:
    """Steps that change so little that none stands out, yet add up: slices far from where even steps put them."""
    worst = int(np.argmax(away))
    if away[worst] <= _least(base):
        return
    name, far = stack.places[worst][0].name, away[worst] > _tolerance(base, 0.1)
    text = (
        f"Slice distances change along the stack ({steps.min():.5g} to {steps.max():.5g} mm): {name} lies "
        f"{away[worst]:.3g} mm from where even steps put it."
    )
    known = any(finding.kind == "uneven_spacing" for finding in (*stack.gaps, *stack.findings))
    if far or not known:
        (stack.gaps if far else stack.findings).append(Finding("uneven_spacing", text, (name,)))
        stack.fillable = stack.fillable and not far


def _gap_finding(stack: Stack, positions: np.ndarray, k: int, times: int) -> Finding:
    before, after = stack.places[k][0].name, stack.places[k + 1][0].name
    missing = [positions[k] + (positions[k + 1] - positions[k]) * i / times for i in range(1, times)]
    where = some([place_text(position) for position in missing])
    text = f"{plural(times - 1, 'slice')} missing between {before} and {after}, at {where}."
    return Finding("missing_slice", text, (before, after))


def _note_sparse(stack: Stack, first: Frame, base: float) -> None:
    thickness = _thickness(first)
    if thickness and base >= 1.999 * thickness:
        text = (
            f"Slices {thickness:g} mm thick lie {base:.4g} mm apart: what lies between was not imaged, or is missing."
        )
        stack.findings.append(Finding("sparse", text))


def _note_stated(stack: Stack, first: Frame) -> None:
    """SpacingBetweenSlices (PS3.3 C.7.6.2.1 and C.8.15) that is neither the distance between slices nor that along the
    table: one of them is wrong, or slices were left out."""
    stated = tags.number(first.header.raw.get(tags.SPACING_BETWEEN))
    along_table = float(np.linalg.norm(stack.affine[:3, 0]))
    if stated and min(abs(abs(stated) - step) for step in (stack.step, along_table)) > max(0.05 * stack.step, 0.05):
        text = f"SpacingBetweenSlices says {stated:g} mm, the positions say {stack.step:.4g} mm, which was taken."
        stack.findings.append(Finding("spacing", text))


def _note_tilt(stack: Stack, first: Frame) -> None:
    normal = normal_of(first.geometry.orientation)
    step = stack.affine[:3, 0]
    angle = float(np.degrees(np.arctan2(np.linalg.norm(np.cross(step, normal)), step @ normal)))
    if angle > TILT:
        stack.tilt = angle
        text = (
            f"The slices are tilted by {angle:.2f} degrees against the table's direction; the affine keeps the shear."
        )
        stack.findings.append(Finding("tilt", text))


def _note_line(stack: Stack, positions: np.ndarray, pixel: float) -> None:
    """First pixels that do not lie on one line: a table that moved sideways, or slices of two scans."""
    line = positions[-1] - positions[0]
    part = (positions - positions[0]) @ line / (line @ line)
    off = np.linalg.norm(positions - positions[0] - part[:, None] * line, axis=1)
    worst = int(np.argmax(off))
    if off[worst] > 0.1 * pixel:
        name = stack.places[worst][0].name
        text = f"The slices do not lie on one line: {name} is {off[worst]:.3g} mm beside it."
        (stack.blocking if off[worst] > 0.5 * pixel else stack.findings).append(
            Finding("uneven_spacing", text, (name,))
        )


def _note_planes(stack: Stack) -> None:
    """Slices turned or scaled a little differently: all are taken for parallel and alike, as the first one is. And
    directions that are no perpendicular unit vectors, which were made such."""
    planes = {id(frame.geometry): frame for frame in stack.frames}  # most share one object
    first = stack.places[0][0]
    if len(planes) == 1 and max(first.geometry.bent) < 1e-6:
        return
    rows, columns, *_ = image_format(first.header)
    limit = 0.1 * min(_spacing(first))
    _note_bent(stack, list(planes.values()), rows, columns, limit)
    corners = np.array([[rows - 1, 0], [0, columns - 1], [rows - 1, columns - 1]])
    found = [corners @ _affine(frame, np.zeros(3), np.zeros(3))[:3, 1:3].T for frame in planes.values()]
    off = np.array([np.linalg.norm(own - found[0], axis=1).max() for own in found])
    worst = int(np.argmax(off))
    if off[worst] > limit:
        name = list(planes.values())[worst].name
        text = (
            f"Orientation or pixel spacing differ a little between slices; those of the first were taken for all: a "
            f"corner of {name} is {off[worst]:.2g} mm away from there."
        )
        stack.findings.append(Finding("uneven_planes", text, (name,)))


def _note_bent(stack: Stack, frames: list[Frame], rows: int, columns: int, limit: float) -> None:
    """Corners that PS3.3 equation C.7.6.2.1-1 with the numbers of the file would put elsewhere."""
    for frame in frames:
        along_row, down_column = frame.geometry.bent
        between_rows, between_columns = _spacing(frame)
        off = along_row * between_columns * (columns - 1) + down_column * between_rows * (rows - 1)
        if off > limit:
            text = (
                f"ImageOrientationPatient of {frame.name} holds no two perpendicular unit vectors; making it so moves "
                f"a corner by up to {off:.2g} mm."
            )
            stack.findings.append(Finding("orientation", text, (frame.name,)))
            return
