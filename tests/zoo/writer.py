"""Writes small series by pydicom. Geometry is computed here from first principles, not with the code under test."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.8.498.77"
SLICES, ROWS, COLUMNS = 10, 12, 16
BRIGHT = (6, 9, 13)  # slice, row, column of the one bright voxel, in the writer's order
BRIGHT_HU = 1234
AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
SECRET = "Zebra^Quagga"  # a patient name that must never be seen again


@dataclass
class Series:
    """What to write, and with it where everything lies. stored: (slice, row, column) as it goes into the files."""

    stored: np.ndarray = field(default_factory=lambda: picture())
    row: tuple[float, float, float] = AXIAL[0]
    column: tuple[float, float, float] = AXIAL[1]
    step: tuple[float, float, float] = (0.0, 0.0, 2.5)
    origin: tuple[float, float, float] = (-30.0, -20.0, 100.0)
    spacing: tuple[float, float] = (0.8, 0.7)  # between rows, between columns
    slope: float = 1.0
    intercept: float = -1024.0
    uid: str = f"{ROOT}.2"

    def position(self, k: float) -> np.ndarray:
        """The first pixel of slice k in patient LPS mm."""
        return np.array(self.origin) + k * np.array(self.step)

    def place(self, index: tuple[float, float, float]) -> np.ndarray:
        """Any voxel in patient LPS mm, by PS3.3 equation C.7.6.2.1-1."""
        k, r, c = index
        return self.position(k) + r * self.spacing[0] * np.array(self.column) + c * self.spacing[1] * np.array(self.row)

    @property
    def hu(self) -> np.ndarray:
        """The true Hounsfield units in the writer's order."""
        return self.stored.astype(np.float64) * self.slope + self.intercept


def picture(slices: int = SLICES, rows: int = ROWS, columns: int = COLUMNS, intercept: int = -1024) -> np.ndarray:
    """Stored values that differ in every slice, row and column, and one bright voxel; no corner is constant."""
    k, r, c = np.ogrid[:slices, :rows, :columns]
    values = 900 + 20 * k + 3 * r + c
    if slices > BRIGHT[0]:
        values[BRIGHT] = BRIGHT_HU - intercept
    return values.astype(np.int16)


def htj2k_picture(dtype: type = np.int16) -> np.ndarray:
    """What the stored HTJ2K code streams show: (12, 16) values of a formula, half of the signed ones negative."""
    r, c = np.ogrid[:ROWS, :COLUMNS]
    return ((37 * r * r + 211 * c + 5 * r * c * c) % 4001 - (2000 if dtype is np.int16 else 0)).astype(dtype)


# JPEG 2000 halves a picture five times and wants one that is large enough.
LARGER = Series(stored=picture(rows=36, columns=40))


def dataset(series: Series, k: int, stored: np.ndarray | None = None) -> Dataset:
    """Slice k as a CT image, explicit VR little endian, 16 bits signed."""
    pixels = series.stored[k] if stored is None else stored
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, f"{series.uid}.{k + 1}"
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = CTImageStorage, ds.SOPInstanceUID
    ds.Modality, ds.SeriesDescription, ds.Manufacturer = "CT", "zoo", "Nobody"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = SECRET, "ZQ-4711", "19500102"
    ds.SliceThickness, ds.KVP, ds.ConvolutionKernel, ds.PatientPosition = "2.5", "120", "B30", "HFS"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = f"{ROOT}.1", series.uid, f"{ROOT}.9"
    ds.InstanceNumber = k + 1
    ds.ImagePositionPatient = [f"{value:.9g}" for value in series.position(k)]
    ds.ImageOrientationPatient = [f"{value:.9g}" for value in (*series.row, *series.column)]
    ds.PixelSpacing = [f"{value:.9g}" for value in series.spacing]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    bits = pixels.dtype.itemsize * 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = f"{series.intercept:.9g}", f"{series.slope:.9g}", "HU"
    ds.PixelData = np.ascontiguousarray(pixels).tobytes()
    ds["PixelData"].VR = "OW" if bits > 8 else "OB"
    return ds


def save(ds: Dataset, path: Path, plain: bool = True) -> Path:
    """Write one data set; `plain` checks that the file format is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=plain)
    return path


def name(k: int) -> str:
    """A file name whose order has nothing to do with the order of the slices."""
    return f"{(k * 7 + 3) % 11:02d}.dcm"


def datasets(series: Series) -> list[Dataset]:
    """All slices of a series."""
    return [dataset(series, k) for k in range(len(series.stored))]


def save_all(slices: list[Dataset], folder: Path) -> list[Path]:
    """Write slices with shuffled names."""
    return [save(ds, folder / name(k)) for k, ds in enumerate(slices)]
