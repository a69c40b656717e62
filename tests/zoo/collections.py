"""What a folder may hold: several series, scouts, reports, screens, archives."""

from __future__ import annotations

import shutil
import warnings
import zipfile

import numpy as np

from tests.zoo.answer import Answer, case, found, plain, tweaked
from tests.zoo.writer import COLUMNS, ROOT, ROWS, Series, dataset, datasets, name, picture, save


@case
def two_series(folder):
    plain(folder / "a")
    plain(folder / "b", Series(uid=f"{ROOT}.3"))
    return Answer(error="2 series")


@case
def one_of_two_series(folder):
    plain(folder / "a")
    series = Series(stored=picture() + np.int16(7), uid=f"{ROOT}.3")
    plain(folder / "b", series)
    return Answer(series, options={"series_uid": f"{ROOT}.3"})


@case
def localizer_of_another_matrix(folder):
    series = plain(folder)
    ds = dataset(Series(row=(1, 0, 0), column=(0, 0, -1)), 0, np.zeros((30, 20), np.int16))
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    save(ds, folder / "scout.dcm")
    return Answer(series, found("localizer"))


@case
def localizer_of_equal_matrix(folder):
    series = plain(folder)
    ds = dataset(series, 0, np.zeros((ROWS, COLUMNS), np.int16))
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    ds.ImagePositionPatient = [-30, -20, 95]
    save(ds, folder / "scout.dcm")
    return Answer(series, found("localizer"))


@case
def unmarked_localizer(folder):
    series = plain(folder)
    ds = dataset(Series(row=(1, 0, 0), column=(0, 0, -1)), 0)
    ds.SOPInstanceUID = f"{ROOT}.2.98"
    save(ds, folder / "scout.dcm")
    return Answer(series, error="2 series or parts")


@case
def two_times_in_one_series(folder):
    for time in (1, 2):
        series = Series(stored=picture() + np.int16(time))
        tweaked(folder / str(time), lambda ds, k, time=time: setattr(ds, "TemporalPositionIdentifier", time), series)
    return Answer(error="time 2 of 2")


@case
def two_times_told_by_clock_only(folder):
    for time in (1, 2):
        series = Series(stored=picture() + np.int16(time))
        tweaked(folder / str(time), lambda ds, k, time=time: setattr(ds, "AcquisitionTime", f"10100{time}"), series)
    return Answer(error="acquisition time 2 of 2")


@case
def two_echoes(folder):
    for echo in ("4.6", "9.2"):
        tweaked(folder / echo, lambda ds, k, echo=echo: setattr(ds, "EchoTime", echo))
    return Answer(error="echo time 2 of 2")


@case
def two_kernels_in_one_series(folder):
    plain(folder / "a")
    tweaked(folder / "b", lambda ds, k: setattr(ds, "ConvolutionKernel", "B70"))
    return Answer(error="part 2 of 2")


@case
def one_slice_of_another_kernel(folder):
    change = lambda ds, k: setattr(ds, "ConvolutionKernel", "B70" if k == 5 else "B30")  # noqa: E731
    return Answer(tweaked(folder, change), error="part 2 of 2")


@case
def two_matrices_in_one_series(folder):
    plain(folder / "a")
    plain(folder / "b", Series(stored=picture(rows=14), origin=(-30, -20, 300)))
    return Answer(error="part 2 of 2")


@case
def two_pixel_spacings_in_one_series(folder):
    plain(folder / "a")
    plain(folder / "b", Series(spacing=(0.6, 0.6), origin=(-30, -20, 300)))
    return Answer(error="part 2 of 2")


@case
def own_frame_of_reference_for_every_slice(folder):
    change = lambda ds, k: setattr(ds, "FrameOfReferenceUID", f"{ROOT}.5.{k}")  # noqa: E731
    return Answer(tweaked(folder, change), found("frame_of_reference"))


@case
def stray_files(folder):
    series = plain(folder)
    (folder / "notes.txt").write_text("not an image")
    (folder / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1")
    (folder / "empty.dcm").write_bytes(b"")
    return Answer(series, found("skipped"))


@case
def dicomdir(folder):
    from pydicom.fileset import FileSet

    def change(ds, k):
        ds.StudyID, ds.StudyDate, ds.StudyTime, ds.SeriesNumber, ds.AccessionNumber = "1", "20000101", "1010", 1, "1"

    series = tweaked(folder / "in", change)
    files = FileSet()
    for path in sorted((folder / "in").iterdir()):
        files.add(path)
    files.write(folder / "set")
    shutil.rmtree(folder / "in")
    return Answer(series, found("skipped"))


@case
def colour_screen(folder):
    series = plain(folder)
    ds = dataset(series, 0, np.zeros((ROWS, COLUMNS), np.uint8))
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
    ds.PixelData = bytes(3 * ROWS * COLUMNS)
    save(ds, folder / "screen.dcm")
    return Answer(series, found("skipped"))


@case
def secondary_capture(folder):
    series = plain(folder)
    ds = dataset(series, 0)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    save(ds, folder / "capture.dcm")
    return Answer(series, found("skipped"))


@case
def structured_report(folder):
    series = plain(folder)
    ds = dataset(series, 0)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.67"
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(ds, keyword)
    ds.Modality = "SR"
    save(ds, folder / "dose.dcm")
    return Answer(series, found("skipped"))


@case
def mosaic(folder):
    change = lambda ds, k: setattr(ds, "ImageType", ["ORIGINAL", "PRIMARY", "M", "MOSAIC"])  # noqa: E731
    return Answer(tweaked(folder, change), error="mosaic")


@case
def dotted_names(folder):
    series = Series()
    for k, ds in enumerate(datasets(series)):
        save(ds, folder / f".{name(k)}")
    return Answer(series)


@case
def sub_folders(folder):
    series = Series()
    for k, ds in enumerate(datasets(series)):
        save(ds, folder / f"part{k % 3}" / "deep" / name(k))
    return Answer(series)


@case
def zip_archive(folder):
    series = plain(folder / "in")
    with zipfile.ZipFile(folder / "series.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((folder / "in").iterdir()):
            archive.write(path, f"study/{path.name}")
    shutil.rmtree(folder / "in")
    return Answer(series, source=lambda folder: folder / "series.zip")


@case
def list_of_files(folder):
    series = plain(folder)
    return Answer(series, source=lambda folder: sorted(folder.iterdir(), reverse=True))


@case
def two_members_of_one_name(folder):
    series = plain(folder / "in")
    with warnings.catch_warnings(), zipfile.ZipFile(folder / "series.zip", "w") as archive:
        warnings.simplefilter("ignore", UserWarning)  # zipfile warns of what is wanted here
        for k, path in enumerate(sorted((folder / "in").iterdir())):
            archive.write(path, "last.dcm" if k > 7 else path.name)
    return Answer(series, source=lambda folder: folder / "series.zip")


@case
def echo_times_alternate_along_the_stack(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "EchoTime", 10 + k % 2)), found("contrast_varies"))


@case
def tube_voltages_alternate_along_the_stack(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "KVP", 80 + 60 * (k % 2))), found("contrast_varies"))


def elsewhere(**values):
    """A change that makes a slice say it is of another patient, study and so on."""
    return lambda ds, k: [setattr(ds, keyword, value) for keyword, value in values.items()]


@case
def two_patients_under_one_series_uid(folder):
    plain(folder / "a")
    return Answer(
        tweaked(folder / "b", elsewhere(PatientID="X-2"), Series(origin=(-30, -20, 125))), error="patient 2 of 2"
    )


@case
def two_patients_whose_slices_interleave(folder):
    plain(folder / "a")
    return Answer(
        tweaked(folder / "b", elsewhere(PatientID="X-2"), Series(origin=(-30, -20, 101.25))), error="patient 2 of 2"
    )


@case
def two_numbers_without_series_uid(folder):
    tweaked(folder / "a", elsewhere(SeriesInstanceUID="", SeriesNumber=1))
    change = elsewhere(SeriesInstanceUID="", SeriesNumber=2)
    return Answer(tweaked(folder / "b", change, Series(origin=(-30, -20, 101.25))), error="2 series or parts")


@case
def two_studies_without_series_uid(folder):
    tweaked(folder / "a", elsewhere(SeriesInstanceUID=""))
    change = elsewhere(SeriesInstanceUID="", StudyInstanceUID=f"{ROOT}.88")
    return Answer(tweaked(folder / "b", change, Series(origin=(-30, -20, 125))), error="study 2 of 2")


@case
def two_frames_of_reference_in_one_series(folder):
    plain(folder / "a")
    change = elsewhere(FrameOfReferenceUID=f"{ROOT}.88")
    return Answer(tweaked(folder / "b", change, Series(origin=(-30, -20, 125))), error="frame of reference 2 of 2")


@case
def own_study_and_patient_for_every_slice(folder):
    change = lambda ds, k: elsewhere(PatientID=f"A{k}", StudyInstanceUID=f"{ROOT}.3.{k}")(ds, k)  # noqa: E731
    return Answer(tweaked(folder, change), found("identity"))


@case
def one_slice_without_patient_id(folder):
    return Answer(tweaked(folder, lambda ds, k: elsewhere(PatientID="" if k == 3 else "A")(ds, k)), found("identity"))


@case
def two_scanners_in_one_stack(folder):
    change = lambda ds, k: elsewhere(Manufacturer="Nobody" if k < 5 else "Somebody")(ds, k)  # noqa: E731
    return Answer(tweaked(folder, change), found("header_varies"))


@case
def thickness_changes_along_the_stack(folder):
    change = lambda ds, k: elsewhere(SliceThickness="2.5" if k < 5 else "1.25")(ds, k)  # noqa: E731
    return Answer(tweaked(folder, change), found("header_varies"))


@case
def thickness_written_in_two_ways(folder):
    return Answer(tweaked(folder, lambda ds, k: elsewhere(SliceThickness="2.5" if k < 5 else "2.500")(ds, k)))
