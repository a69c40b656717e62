"""Small DICOM series for the network tests: pydicom's bundled CT slice with other numbers in it, and a name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

NAME = "Mustermann^Erika"
PATIENT_ID = "SECRET-4711"


def ct_series(
    folder: Path, n: int = 12, size: int = 16, seed: int = 0, name: str = NAME, date: str = "20240229"
) -> str:
    """Write n slices of size x size random stored values; returns the SeriesInstanceUID."""
    folder.mkdir(parents=True, exist_ok=True)
    template = dcmread(get_testdata_file("CT_small.dcm"))
    del template[0xFFFCFFFC]  # the trailing padding
    rng = np.random.default_rng(seed)
    study, series = (generate_uid(entropy_srcs=[kind, str(seed), name]) for kind in ("study", "series"))
    for index in range(n):
        slice_ = template
        slice_.PatientName, slice_.PatientID, slice_.StudyDate = name, f"{PATIENT_ID}-{seed}", "20240229"
        slice_.StudyInstanceUID, slice_.SeriesInstanceUID = study, series
        slice_.SOPInstanceUID = generate_uid(entropy_srcs=[series, str(index)])
        slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID
        slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        slice_.InstanceNumber = index + 1
        slice_.ImagePositionPatient = [0, 0, 2.5 * index]
        slice_.Rows = slice_.Columns = size
        slice_.PixelData = rng.integers(-1024, 3072, (size, size), dtype=np.int16).tobytes()
        slice_.save_as(folder / f"slice{index:04d}.dcm")
    return str(series)


def contents(folder: Path) -> dict[str, bytes]:
    """SOP instance UID -> stored pixel bytes of every DICOM file under a folder."""
    found = (dcmread(path) for path in sorted(folder.rglob("*.dcm")))
    return {str(dataset.SOPInstanceUID): dataset.PixelData for dataset in found}
