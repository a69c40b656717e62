"""A CT volume: Hounsfield units in (slice, row, column) order and where they lie in the patient.

Positions are patient coordinates in millimetres, x to the Left, y to Posterior, z to the head (Superior): LPS, as in
DICOM PS3.3 C.7.6.2.1.1. Nothing here knows of files, apart from the two exports.
"""

from __future__ import annotations

import operator
import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from helpers.findings import NO_HU, Finding
from helpers.hounsfield import Padding

if TYPE_CHECKING:
    import nibabel
    import SimpleITK

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
PATIENT_AXES = {"sagittal": 0, "coronal": 1, "axial": 2}


def check_holds(dtype: np.dtype, hu: float) -> None:
    """Raises ValueError when an array of this type cannot hold a value."""
    ends = np.iinfo(dtype) if dtype.kind in "iu" else None
    if ends and not (float(hu).is_integer() and ends.min <= hu <= ends.max):
        raise ValueError(f"A volume of {dtype} holds whole numbers that fit into it, not {hu:g}.")


class Plane(NamedTuple):
    """One cut, turned the way radiologists look at it (feet first: the patient's right is on the left).

    extent: (left, right, bottom, top) in patient mm for `imshow`; aspect: height of a pixel over its width.
    """

    image: np.ndarray
    extent: tuple[float, float, float, float]
    aspect: float
    labels: tuple[str, str]


@dataclass(eq=False)
class CTVolume:
    """A stack of parallel slices in Hounsfield units.

    hu: (slice, row, column) int16 or float32, stored value x slope + intercept for every voxel, filler included.
    affine: 4 x 4, (slice, row, column, 1) -> patient LPS in mm; a gantry tilt is kept as shear.
    findings: what was irregular about the series; empty for a clean one. meta: technical facts, no identity.
    padding: how to find what lies outside the scan circle, or a ready mask; None when everything was measured.
    """

    hu: np.ndarray
    affine: np.ndarray = field(default_factory=lambda: np.eye(4))
    findings: list[Finding] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)
    padding: Padding | np.ndarray | None = field(default=None, repr=False)
    invented: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.hu = np.asarray(self.hu)
        self.affine = np.asarray(self.affine, np.float64)
        if self.hu.ndim != 3 or self.affine.shape != (4, 4):
            raise ValueError(f"A volume needs 3 axes and a 4 x 4 affine, not {self.hu.shape} and {self.affine.shape}.")

    @classmethod
    def from_spacing(cls, hu: np.ndarray, spacing: tuple[float, float, float], origin=(0.0, 0.0, 0.0)) -> CTVolume:
        """An axial volume, first slice at the feet: spacing (dz, dy, dx) in mm, origin the LPS of voxel (0, 0, 0)."""
        dz, dy, dx = spacing
        affine = np.array([[0, 0, dx, origin[0]], [0, dy, 0, origin[1]], [dz, 0, 0, origin[2]], [0, 0, 0, 1.0]])
        return cls(np.asarray(hu), affine)

    def __repr__(self) -> str:
        slices, rows, columns = self.shape
        size = " x ".join(f"{length:g}" for length in np.round(self.spacing, 4))
        kinds = ", ".join(dict.fromkeys(finding.kind for finding in self.findings)) or "none"
        return f"CTVolume({slices} x {rows} x {columns} {self.hu.dtype}, {size} mm, findings: {kinds})"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        return self.hu.shape

    @property
    def spacing(self) -> tuple[float, float, float]:
        """(dz, dy, dx) in mm, dz along the slice normal, so that their product is the volume of a voxel."""
        dy, dx = np.linalg.norm(self.affine[:3, 1]), np.linalg.norm(self.affine[:3, 2])
        return float(abs(np.linalg.det(self.affine[:3, :3])) / (dy * dx)), float(dy), float(dx)

    @property
    def is_hu(self) -> bool:
        """Whether the values are Hounsfield units: False for MR and the like, and for files without rescale."""
        return not any(finding.kind in NO_HU for finding in self.findings)

    @property
    def voxel_ml(self) -> float:
        """The volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000

    @property
    def normal(self) -> np.ndarray:
        """Unit vector across the slices, pointing the way the slices are counted."""
        across = np.cross(self.affine[:3, 2], self.affine[:3, 1])
        return across / np.linalg.norm(across) * (1 if across @ self.affine[:3, 0] >= 0 else -1)

    @property
    def tilt(self) -> float:
        """Degrees between the slice normal and the step from slice to slice: the gantry tilt; 0 when straight."""
        step = self.affine[:3, 0]
        return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(step, self.normal)), step @ self.normal)))

    @cached_property
    def outside(self) -> np.ndarray | None:
        """True where nothing was measured (outside the scan circle); shape of `hu`; None when all of it was."""
        if self.padding is None or isinstance(self.padding, np.ndarray):
            return self.padding
        return self.padding.mask(self.hu)

    @property
    def beyond_field(self) -> np.ndarray | None:
        """`outside`; for an interpolated slice, which was not measured and yet holds tissue, that of its neighbour."""
        if self.outside is None or not self.invented:
            return self.outside
        real = np.setdiff1d(np.arange(len(self.hu)), self.invented)
        return self.outside[real[np.abs(real[:, None] - np.arange(len(self.hu))).argmin(0)]]

    def filled(self, hu: float = -1000) -> CTVolume:
        """A copy in which everything outside the field has the value `hu`: air by default. Interpolated slices stay.

        Raises ValueError for a value that the type of the volume cannot hold.
        """
        values = self.hu.copy()
        check_holds(values.dtype, hu)
        beyond = self.beyond_field
        if beyond is not None:
            values[beyond] = hu
        return replace(self, hu=values, padding=self.outside)

    def position(self, index) -> np.ndarray:
        """(slice, row, column), whole or in between; shape (..., 3) -> patient LPS in mm, same shape."""
        return np.asarray(index, np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def index_of(self, position) -> np.ndarray:
        """Patient LPS in mm, shape (..., 3) -> (slice, row, column) as real numbers; the reverse of `position`."""
        return (np.asarray(position, np.float64) - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T

    def array_axes(self) -> dict[str, int]:
        """For each of axial, coronal, sagittal the array axis that runs most nearly across such planes."""
        directions = np.abs(self.affine[:3, :3]) / np.linalg.norm(self.affine[:3, :3], axis=0)
        axes: dict[str, int] = {}
        for _ in range(3):
            patient, axis = np.unravel_index(np.argmax(directions), (3, 3))
            axes[next(name for name, number in PATIENT_AXES.items() if number == patient)] = int(axis)
            directions[patient, :] = directions[:, axis] = -1
        return axes

    def plane(self, name: str, index: int | None = None) -> Plane:
        """One axial, coronal or sagittal cut; index: along the array axis, the middle by default. No interpolation."""
        if name not in PATIENT_AXES:
            raise ValueError(f"Plane {name!r} is not known; choose axial, coronal or sagittal.")
        axes = self.array_axes()
        across = axes[name]
        at = self.shape[across] // 2 if index is None else operator.index(index)
        if not -self.shape[across] <= at < self.shape[across]:
            raise IndexError(f"There are {self.shape[across]} {name} planes, from 0 on; {at} is none of them.")
        horizontal = "coronal" if name == "sagittal" else "sagittal"
        vertical = "coronal" if name == "axial" else "axial"
        image = np.take(self.hu, at, axis=across)
        kept = [axis for axis in range(3) if axis != across]
        if kept.index(axes[vertical]) == 1:
            image = image.T
        image, (left, right) = self._orient(image, 1, axes[horizontal], PATIENT_AXES[horizontal], 1)
        image, (top, bottom) = self._orient(
            image, 0, axes[vertical], PATIENT_AXES[vertical], 1 if name == "axial" else -1
        )
        aspect = float(
            np.linalg.norm(self.affine[:3, axes[vertical]]) / np.linalg.norm(self.affine[:3, axes[horizontal]])
        )
        words = {"sagittal": "x, to the left (mm)", "coronal": "y, to the back (mm)", "axial": "z, to the head (mm)"}
        return Plane(image, (left, right, bottom, top), aspect, (words[horizontal], words[vertical]))

    def _orient(self, image, image_axis: int, array_axis: int, patient: int, sign: int):
        """Turn one axis of a cut so that the patient coordinate rises (sign 1) or falls; give its two outer edges."""
        step, count = self.affine[patient, array_axis], self.shape[array_axis]
        middle = self.position((np.array(self.shape) - 1) / 2)[patient]
        half = abs(step) * count / 2
        if step * sign < 0:
            image = np.flip(image, image_axis)
        return image, (middle - half * sign, middle + half * sign)

    def resample(self, mm: float | tuple[float, float, float] = 1.0, fill: float = -1000) -> CTVolume:
        """The same patient on a straight grid of `mm` (one number, or dz, dy, dx), by linear interpolation.

        A tilted stack is straightened; what then lies beside the slices is `fill` and outside.
        """
        from helpers.resampling import resample

        return resample(self, mm, fill)

    def to_nifti(self, path: str | os.PathLike | None = None) -> nibabel.Nifti1Image:
        """A NIfTI image with axes (column, row, slice) and an affine to RAS; written to `path` when one is given."""
        import nibabel

        affine = LPS_TO_RAS @ self.affine[:, [2, 1, 0, 3]]
        image = nibabel.Nifti1Image(np.ascontiguousarray(self.hu.transpose(2, 1, 0)), affine)
        image.header.set_xyzt_units("mm")
        # A quaternion cannot hold the shear of a tilted gantry: then only the sform is valid.
        image.set_qform(affine, code=1 if self.tilt < 0.01 else 0)
        image.set_sform(affine, code=1)
        if path is not None:
            nibabel.save(image, Path(path).expanduser())
        return image

    def to_sitk(self) -> SimpleITK.Image:
        """A SimpleITK image (needs SimpleITK; LPS like this class). A tilted stack must be resampled first."""
        try:
            import SimpleITK
        except ImportError:
            raise ImportError("SimpleITK is not installed; `pip install SimpleITK` adds it.") from None
        if self.tilt > 0.01:
            raise ValueError(
                f"SimpleITK knows no shear: this stack is tilted by {self.tilt:.2f} degrees; resample it first."
            )
        image = SimpleITK.GetImageFromArray(self.hu)
        dz, dy, dx = self.spacing
        axes = self.affine[:3, [2, 1, 0]] / np.array([dx, dy, dz])
        image.SetSpacing((dx, dy, dz))
        image.SetOrigin(self.affine[:3, 3].tolist())
        image.SetDirection(axes.ravel().tolist())
        return image
