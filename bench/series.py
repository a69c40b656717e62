"""A series for measuring: CT-like slices in files with about a hundred elements, as a scanner writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

TEXTS = {
    "SpecificCharacterSet": "ISO_IR 100", "Manufacturer": "GE MEDICAL SYSTEMS", "InstitutionName": "Nowhere",
    "StudyDescription": "THORAX", "SeriesDescription": "LUNG 2.5", "ManufacturerModelName": "LightSpeed16",
    "PatientName": "Test^Nobody", "PatientID": "0", "BodyPartExamined": "CHEST", "ScanOptions": "HELICAL MODE",
    "SoftwareVersions": "07MW18.4", "ProtocolName": "5.1 Thorax", "FilterType": "BODY FILTER", "KVP": "120",
    "DataCollectionDiameter": "500", "ReconstructionDiameter": "360", "DistanceSourceToDetector": "949.075",
    "DistanceSourceToPatient": "541", "GantryDetectorTilt": "0", "TableHeight": "144.6", "RotationDirection": "CW",
    "ExposureTime": "570", "XRayTubeCurrent": "300", "Exposure": "1710", "GeneratorPower": "36000",
    "FocalSpots": "1.2", "ConvolutionKernel": "STANDARD", "PatientPosition": "HFS", "StudyID": "1",
    "PositionReferenceIndicator": "SN", "StudyDate": "20000101", "SeriesDate": "20000101", "StudyTime": "101010",
    "AccessionNumber": "1", "ReferringPhysicianName": "N", "StationName": "CT1", "PatientSex": "O",
    "PatientAge": "050Y", "PatientWeight": "70", "SliceThickness": "2.5", "AcquisitionNumber": "1",
}  # fmt: skip


def picture(k: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """A body with noise and a filler outside the scan circle: int16 stored values, intercept -1024."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size - 0.5
    body = (x / 0.42) ** 2 + (y / 0.3) ** 2 < 1
    lungs = ((np.abs(x) - 0.2) / 0.12) ** 2 + (y / 0.2) ** 2 < 0.9 + 0.1 * np.sin(k / 20)
    values = np.where(body, np.where(lungs, 160, 1060), 24) + rng.normal(0, 12, (size, size))
    return np.where(x**2 + y**2 < 0.25, np.clip(values, 0, 4095), -2000).astype(np.int16)


def header(k: int, count: int, size: int, uids: tuple[str, str, str]) -> Dataset:
    """The data set of slice k without its pixels."""
    ds = Dataset()
    for keyword, value in TEXTS.items():
        setattr(ds, keyword, value)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = CTImageStorage, f"{uids[0]}.{k + 1}", "CT"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = uids
    ds.SeriesNumber, ds.InstanceNumber = 2, count - k
    ds.AcquisitionTime = ds.ContentTime = f"1010{k // 10:02d}.{k % 10}"
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-180.0, -150.5, -400.0 + 2.5 * k], [1, 0, 0, 0, 1, 0]
    ds.SliceLocation, ds.TablePosition = -400.0 + 2.5 * k, 2.5 * k
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", size, size
    ds.PixelSpacing, ds.BitsAllocated, ds.BitsStored, ds.HighBit = [0.703125, 0.703125], 16, 16, 15
    ds.PixelRepresentation, ds.PixelPaddingValue = 1, -2000
    ds.WindowCenter, ds.WindowWidth, ds.RescaleIntercept, ds.RescaleSlope = 40, 400, "-1024", "1"
    ds.RescaleType = "HU"
    block = ds.private_block(0x0009, "GEMS_IDEN_01", create=True)
    for number in range(1, 9):
        block.add_new(number, "LO", f"private text {number}")
    block = ds.private_block(0x0043, "GEMS_PARM_01", create=True)
    for number in range(0x10, 0x26):
        block.add_new(number, "SS", number)
    return ds


def write(folder: Path, count: int = 300, size: int = 512, syntax: str | None = None) -> list[Path]:
    """`count` files with names that do not sort along the body. syntax: a transfer syntax to compress with."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    study = "1.2.826.0.1.3680043.8.498.1"
    uids = (study, f"{study}.1", f"{study}.2")
    paths = []
    pictures = [picture(k, size, rng) for k in range(min(count, 24))]
    for k in range(count):
        ds = header(k, count, size, uids)
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.PixelData = np.roll(pictures[k % len(pictures)], k, axis=1).tobytes()
        ds["PixelData"].VR = "OW"
        if syntax is not None:
            ds.compress(syntax, generate_instance_uid=False)
        paths.append(folder / f"{(k * 7919) % 10007:05d}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    return sorted(paths)
