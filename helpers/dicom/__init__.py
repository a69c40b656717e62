"""DICOM series -> volumes in Hounsfield units. Start with `scan_folder`, go on with `read_series`."""

from helpers.dicom.deidentify import deidentify
from helpers.dicom.scan import SeriesInfo, SeriesList, scan_folder
from helpers.dicom.series import read_series
from helpers.findings import DicomSeriesError, Finding
from helpers.volume import CTVolume

__all__ = [
    "CTVolume",
    "DicomSeriesError",
    "Finding",
    "SeriesInfo",
    "SeriesList",
    "deidentify",
    "read_series",
    "scan_folder",
]
