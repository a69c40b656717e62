"""`write_series`: the phantom as DICOM files, tidy or as awkward as the files of real archives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)  # fmt: skip

from helpers.phantom.chest import FILLER, Phantom

TILT = np.deg2rad(15.0)
SYNTAXES = {"rle": RLELossless, "jpegls": JPEGLSLossless, "jpeg2000": JPEG2000Lossless}
AWKWARD = {
    "localizer": "an overview image with the same series number lies among the slices",
    "tilt": "the gantry leaned by 15 degrees: slices are sheared against the table's axis",
    "gap": "one slice is missing and the instance numbers do not show it",
    "duplicate": "one slice is there twice, byte for byte but for its file name and its own number",
    "conflict": "two files claim the same position with different pixels",
    "uneven": "from the middle on, slices are 1.5 times as far apart",
    "thickness": "SliceThickness is half of the slice distance",
    "monochrome1": "the photometric interpretation asks for an inverted display",
    "unsigned": "stored values are unsigned, so the corners cannot be -2000 and are 0",
    "fractional_slope": "slope 0.5: half a HU per stored step",
    "slope_per_slice": "slope and intercept change from slice to slice",
    "no_rescale": "slope and intercept are missing: the values are no HU",
    "no_padding_tag": "the corners hold a filler that no tag names",
    "wrong_padding_tag": "the padding tag is written as unsigned 63536 instead of -2000",
    "high_bits": "unsigned 12-bit values, and the four bits above them hold rubbish",
    "feet_first": "the patient lies feet first and prone: rows and columns run the other way",
    "mixed": "five slices of a second reconstruction have strayed into the folder",
    "stranger": "a text file, an empty file and a hidden file lie in the folder",
    "truncated": "one file ends in the middle of its pixels",
    "implicit": "implicit VR little endian",
    "big_endian": "explicit VR big endian",
    "rle": "RLE compressed", "jpegls": "JPEG-LS compressed", "jpeg2000": "JPEG 2000 compressed (lossless)",
}  # fmt: skip


def write_series(
    phantom: Phantom,
    folder: str | Path,
    awkward: Sequence[str] = ("localizer",),
    seed: int = 0,
    patient: str = "PHANTOM^CHEST",
    patient_id: str = "PHANTOM-1",
    study_date: str = "20200101",
    study_uid: str | None = None,
    series_number: int = 3,
    description: str = "CHEST 5.0 SOFT",
) -> list[Path]:
    """Write one CT series; returns the files sorted by name, which is not the order of the slices.

    awkward lists the difficulties wanted (keys of `AWKWARD`). The same phantom, seed and difficulties give the same
    bytes. Reading the files back gives `phantom.hu` exactly, except where a difficulty changes stored values
    ("tilt" resamples; "unsigned" and "high_bits" store the corners as -1024 HU, "fractional_slope" as -2024;
    "slope_per_slice" rounds to 2 HU).
    ValueError names an unknown difficulty.
    """
    wanted = {awkward} if isinstance(awkward, str) else set(awkward)
    if unknown := sorted(wanted - set(AWKWARD)):
        raise ValueError(f"write_series knows no difficulty {', '.join(unknown)}; choose from {', '.join(AWKWARD)}")
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, 77])
    uids = _Uids(f"{phantom.seed} {phantom.hu.shape} {seed} {patient_id} {series_number} {description}", study_uid)
    slices = _slices(phantom, wanted)
    datasets = [_image(phantom, hu, position, k, wanted, uids) for k, (hu, position) in enumerate(slices)]
    if "localizer" in wanted:
        datasets.append(_localizer(phantom, uids))
    datasets += _extra(phantom, slices, wanted, uids)
    for ds in datasets:
        _identify(ds, patient, patient_id, study_date, series_number, description)
    names = [f"IM{n}" for n in rng.permutation(np.arange(1, len(datasets) + 1))]
    paths = [_save(ds, folder / f"{name}.dcm", wanted) for ds, name in zip(datasets, names)]
    if "truncated" in wanted:
        cut = paths[len(slices) // 2]
        cut.write_bytes(cut.read_bytes()[: -phantom.hu[0].nbytes // 2])
    if "stranger" in wanted:
        for name, content in (("README.txt", b"made by a scanner\n"), ("empty.dcm", b""), (".hidden", b"\0\0")):
            (folder / name).write_bytes(content)
    return sorted(paths)


class _Uids:
    """UIDs drawn from a text instead of the clock, so that the same call writes the same files."""

    def __init__(self, key: str, study: str | None):
        self.key = key
        self.study = study or self.make("study")
        self.series, self.frame = self.make("series"), self.make("frame")

    def make(self, what: object) -> str:
        return str(generate_uid(entropy_srcs=[self.key, str(what)]))


def _slices(p: Phantom, wanted: set[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(HU, position of the first voxel) of each slice, in the order of acquisition."""
    hu, first = p.hu, p.affine[:3, 3]
    if "tilt" in wanted:  # about the middle row, so the first row moves back and up
        hu, half = _tilted(p, TILT), (p.hu.shape[1] - 1) / 2 * p.spacing[1]
        first = first + np.array([0.0, half * (1.0 - np.cos(TILT)), half * np.sin(TILT)])
    steps = np.arange(len(hu), dtype=float)
    if "uneven" in wanted:
        steps = np.where(steps > len(hu) // 2, len(hu) // 2 + 1.5 * (steps - len(hu) // 2), steps)
    out = [(hu[k], first + steps[k] * p.affine[:3, 0]) for k in range(len(hu))]
    if "gap" in wanted:
        del out[len(out) // 3]
    return out


def _tilted(p: Phantom, angle: float) -> np.ndarray:
    """The same patient in slices tilted about the x axis: linear interpolation along slices and rows."""
    n, rows, _ = p.hu.shape
    dz, dy, _ = p.spacing
    away = np.arange(rows) - (rows - 1) / 2
    row = np.clip((rows - 1) / 2 + away * np.cos(angle), 0, rows - 1)
    z = np.arange(n)[:, None] - away[None] * dy * np.sin(angle) / dz
    z = np.clip(z, 0, n - 1)
    z0, r0 = np.minimum(z.astype(int), n - 2), np.minimum(row.astype(int), rows - 2)
    fz, fr = (z - z0)[..., None].astype(np.float32), (row - r0)[None, :, None].astype(np.float32)
    hu = np.where(p.outside, np.int16(-1000), p.hu)
    out = (1 - fz) * ((1 - fr) * hu[z0, r0] + fr * hu[z0, r0 + 1])
    out += fz * ((1 - fr) * hu[z0 + 1, r0] + fr * hu[z0 + 1, r0 + 1])
    out = np.rint(out).astype(np.int16)
    out[p.outside] = FILLER
    return out


def _orientation(wanted: set[str]) -> list[float]:
    if "tilt" in wanted:
        return [1.0, 0.0, 0.0, 0.0, round(float(np.cos(TILT)), 8), round(float(-np.sin(TILT)), 8)]
    return [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0] if "feet_first" in wanted else [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def _rescale(k: int, wanted: set[str]) -> tuple[float, float]:
    slope = 0.5 if "fractional_slope" in wanted else 1.0
    intercept = -1024.0
    if "slope_per_slice" in wanted:
        slope, intercept = (1.0, 2.0)[k % 2], -1024.0 - 8.0 * (k % 3)
    return slope, intercept


def _image(p: Phantom, hu: np.ndarray, position: np.ndarray, k: int, wanted: set[str], uids: _Uids) -> FileDataset:
    """One slice as a CT image object (PS3.3 A.3)."""
    ds = _new(uids, f"image {k}")
    slope, intercept = _rescale(k, wanted)
    stored = np.rint((hu.astype(np.float64) - intercept) / slope).astype(np.int32)
    corner, signed = hu == FILLER, not wanted & {"unsigned", "high_bits"}
    stored[corner] = (-1024 - intercept) / slope if not signed else -2000
    if not signed:
        stored = np.maximum(stored, 0)
    if "feet_first" in wanted:
        stored = stored[::-1, ::-1]
        position = position + p.affine[:3, 1] * (hu.shape[0] - 1) + p.affine[:3, 2] * (hu.shape[1] - 1)
    bits = 16 if signed else 12
    if not signed:
        stored = np.minimum(stored, 4095)
    pixels = stored.astype(np.int16 if signed else np.uint16)
    if "high_bits" in wanted:
        pixels |= np.uint16(0xA000)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.InstanceNumber = k + 1
    ds.ImagePositionPatient = [round(float(v), 4) for v in position]
    ds.ImageOrientationPatient = _orientation(wanted)
    ds.SliceLocation = round(float(k * p.spacing[0]), 4)
    ds.SliceThickness = round(p.spacing[0] * (0.5 if "thickness" in wanted else 1.0), 4)
    ds.PixelSpacing = [round(p.spacing[1], 6), round(p.spacing[2], 6)]
    ds.PatientPosition = "FFP" if "feet_first" in wanted else "HFS"
    ds.GantryDetectorTilt = 15.0 if "tilt" in wanted else 0.0
    _pixels(ds, pixels, bits, signed)
    if "monochrome1" in wanted:
        ds.PhotometricInterpretation = "MONOCHROME1"
    if "no_rescale" not in wanted:
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = slope, intercept, "HU"
    if signed and "no_padding_tag" not in wanted and "wrong_padding_tag" not in wanted:
        ds.PixelPaddingValue = -2000
    if "wrong_padding_tag" in wanted:
        ds.add_new("PixelPaddingValue", "US", 63536)
    ds.WindowCenter, ds.WindowWidth = [40, -600], [400, 1500]
    ds.WindowCenterWidthExplanation = ["MEDIASTINUM", "LUNG"]
    return ds


def _pixels(ds: Dataset, pixels: np.ndarray, bits: int, signed: bool) -> None:
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, bits, bits - 1, int(signed)
    ds.add_new("PixelData", "OW", np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<")).tobytes())


def _new(uids: _Uids, what: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, uids.make(what)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = "1.2.826.0.1.3680043.8.498.1"
    ds = FileDataset("", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = uids.study, uids.series, uids.frame
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "CT", "SIMULATED", "Phantom"
    ds.KVP, ds.ConvolutionKernel, ds.BodyPartExamined = 120, "SOFT", "CHEST"
    return ds


def _identify(ds: Dataset, patient, patient_id, study_date, series_number, description) -> None:
    """The made-up person the images belong to: something for the lesson on de-identification to remove."""
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = patient, patient_id, "19600229", "O"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID = study_date, "101500", "A-0001", "1"
    ds.InstitutionName, ds.ReferringPhysicianName = "HOSPITAL OF NOWHERE", "DOCTOR^INVENTED"
    ds.StudyDescription, ds.SeriesDescription, ds.SeriesNumber = "SIMULATED CHEST", description, series_number


def _localizer(p: Phantom, uids: _Uids) -> FileDataset:
    """The overview from which the technician planned the scan: a projection seen from the front."""
    ds = _new(uids, "localizer")
    hu = np.where(p.outside, -1000, p.hu).astype(np.float32)
    view = np.repeat(hu.mean(axis=1)[::-1], max(1, round(p.spacing[0] / p.spacing[2])), axis=0)
    ds.ImageType, ds.InstanceNumber = ["ORIGINAL", "PRIMARY", "LOCALIZER"], 1
    ds.ImagePositionPatient = [round(float(v), 4) for v in p.affine[:3, 3] + (len(hu) - 1) * p.affine[:3, 0]]
    ds.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 0.0, -1.0]
    ds.PixelSpacing, ds.SliceThickness = [round(p.spacing[2], 6)] * 2, 400.0
    _pixels(ds, np.rint(view + 1024).astype(np.int16), 16, True)
    ds.RescaleSlope, ds.RescaleIntercept = 1.0, -1024.0
    return ds


def _extra(p: Phantom, slices, wanted: set[str], uids: _Uids) -> list[FileDataset]:
    """Slices that are there once too often."""
    middle = len(slices) // 2
    hu, position = slices[middle]
    out = []
    if "duplicate" in wanted:
        out.append(_image(p, hu, position, middle, wanted, uids))
        out[-1].SOPInstanceUID = out[-1].file_meta.MediaStorageSOPInstanceUID = uids.make("copy")
    if "conflict" in wanted:
        out.append(_image(p, np.where(hu == FILLER, hu, hu[:, ::-1]), position, middle, wanted, uids))
        out[-1].SOPInstanceUID = out[-1].file_meta.MediaStorageSOPInstanceUID = uids.make("conflict")
    if "mixed" in wanted:
        for k, (other, place) in enumerate(slices[:5]):
            ds = _image(p, np.where(other == FILLER, other, other + 3), place, k, wanted, uids)
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uids.make(f"mixed {k}")
            ds.SeriesInstanceUID, ds.ConvolutionKernel = uids.make("other series"), "SHARP"
            out.append(ds)
    return out


def _save(ds: FileDataset, path: Path, wanted: set[str]) -> Path:
    codec = next((name for name in SYNTAXES if name in wanted), None)
    if codec is not None:
        ds.compress(SYNTAXES[codec], generate_instance_uid=False)
    elif "implicit" in wanted:
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    elif "big_endian" in wanted:
        ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        ds["PixelData"].value = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
        dcmwrite(path, ds, implicit_vr=False, little_endian=False, enforce_file_format=True)
        return path
    ds.save_as(path, enforce_file_format=True)
    return path
