"""What kind of pictures the slices are: projections, maps, pictures with texts in them, and objects beside them."""

from __future__ import annotations

import pydicom
from pydicom.uid import generate_uid

from tests.zoo.answer import Answer, case, found, plain, tweaked
from tests.zoo.enhanced import enhanced, item
from tests.zoo.writer import Series, save


def _with(folder, keyword, value, *known, **options):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, keyword, value)), found(*known), **options)


@case
def maximum_projections(folder):
    return _with(folder, "ImageType", ["DERIVED", "SECONDARY", "AXIAL", "MIP"], "derived")


@case
def maps_of_iodine(folder):
    return _with(folder, "ImageType", ["DERIVED", "PRIMARY", "AXIAL", "IODINE_MAP"], "derived")


@case
def reformatted_slices(folder):
    return _with(folder, "ImageType", ["DERIVED", "SECONDARY", "MPR"])


@case
def texts_in_the_pixels(folder):
    return _with(folder, "BurnedInAnnotation", "YES", "burned_in")


@case
def localizers_of_a_long_image_type(folder):
    values = ["ORIGINAL", "PRIMARY", "LOCALIZER", *(f"X{k:014d}" for k in range(20))]
    return _with(folder, "ImageType", values, error="a localizer")


@case
def enhanced_localizers_by_frame_type(folder):
    series = Series()
    ds = enhanced(series)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "MIXED", "NONE"]
    for group in ds.PerFrameFunctionalGroupsSequence:
        group.CTImageFrameTypeSequence = [item(FrameType=["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"])]
    save(ds, folder / "all.dcm")
    return Answer(series, error="a localizer")


@case
def a_protocol_in_the_same_series(folder):
    """The number of its class begins like that of CT images, and is another."""
    series = plain(folder)
    ds = pydicom.dcmread(sorted(folder.glob("*.dcm"))[0], stop_before_pixels=True)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.200.2"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for keyword in ("Rows", "Columns", "ImagePositionPatient", "BitsAllocated"):
        delattr(ds, keyword)
    ds.save_as(folder / "protocol.dcm")
    return Answer(series, found("skipped"))
