"""Enhanced multi-frame objects for the zoo."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRBigEndian, RLELossless

from tests.zoo.answer import Answer, case, found
from tests.zoo.writer import ROOT, SLICES, Series, dataset, save

ORDER = np.random.default_rng(5).permutation(SLICES)


def item(**values) -> Dataset:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def group(series: Series, k: int, slope: float | None = None, intercept: float | None = None) -> Dataset:
    """The functional groups of one frame."""
    position = [f"{value:.9g}" for value in series.position(k)]
    found = item(
        PlanePositionSequence=[item(ImagePositionPatient=position)],
        FrameContentSequence=[item(StackID="1", InStackPositionNumber=k + 1)],
    )
    if slope is not None:
        scale = item(RescaleIntercept=f"{intercept:g}", RescaleSlope=f"{slope:g}", RescaleType="HU")
        found.PixelValueTransformationSequence = [scale]
    return found


def enhanced(series: Series, order=ORDER, scale_in_groups: bool = True) -> Dataset:
    """All slices in one object, the frames in the given order."""
    ds = dataset(series, 0)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
                    "RescaleSlope", "RescaleIntercept", "RescaleType"):  # fmt: skip
        delattr(ds, keyword)
    ds.NumberOfFrames = len(order)
    ds.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=[*series.row, *series.column])],
            PixelMeasuresSequence=[item(PixelSpacing=list(series.spacing), SliceThickness="2.5")],
        )
    ]
    scale = (series.slope, series.intercept) if scale_in_groups else (None, None)
    ds.PerFrameFunctionalGroupsSequence = [group(series, int(k), *scale) for k in order]
    ds.PixelData = series.stored[order].tobytes()
    return ds


@case
def enhanced_in_scrambled_order(folder):
    series = Series()
    save(enhanced(series), folder / "all.dcm")
    return Answer(series)


@case
def enhanced_with_own_scale_per_frame(folder):
    series = Series()
    ds = enhanced(series)
    stored = series.stored.copy()
    for frame, k in zip(ds.PerFrameFunctionalGroupsSequence, ORDER):
        frame.PixelValueTransformationSequence[0].RescaleIntercept = str(-1024 - 5 * int(k))
        stored[k] += np.int16(5 * k)
    ds.PixelData = stored[ORDER].tobytes()
    save(ds, folder / "all.dcm")
    return Answer(series, found("rescale_varies"))


@case
def enhanced_compressed(folder):
    series = Series()
    ds = enhanced(series)
    ds.compress(RLELossless, generate_instance_uid=False)
    save(ds, folder / "all.dcm")
    return Answer(series)


@case
def enhanced_big_endian(folder):
    series = Series()
    ds = enhanced(series)
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    ds.PixelData = series.stored[ORDER].astype(">i2").tobytes()
    save(ds, folder / "all.dcm")
    return Answer(series)


@case
def enhanced_without_rescale(folder):
    series = Series(intercept=0)
    save(enhanced(series, scale_in_groups=False), folder / "all.dcm")
    return Answer(series, found("no_rescale"))


@case
def enhanced_concatenation_without_its_last_part(folder):
    for part, ks in enumerate((range(4), range(4, 7))):
        ds = enhanced(Series(), np.array(ks))
        ds.ConcatenationUID, ds.InConcatenationNumber, ds.InConcatenationTotalNumber = f"{ROOT}.6", part + 1, 3
        ds.SOPInstanceUID = f"{ROOT}.6.{part + 1}"
        save(ds, folder / f"part{part}.dcm", plain=False)
    return Answer(kinds=found("incomplete"), kept=list(range(7)))


@case
def enhanced_with_a_slope_of_two_numbers(folder):
    ds = enhanced(Series(), scale_in_groups=False)
    ds.RescaleSlope, ds.RescaleIntercept = ["1", "2"], "-1024"
    save(ds, folder / "all.dcm")
    return Answer(error="several numbers")


@case
def enhanced_with_one_frame_nowhere(folder):
    ds = enhanced(Series())
    del ds.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence
    save(ds, folder / "all.dcm")
    return Answer(error="no order can be told (all.dcm frame 4)")


@case
def enhanced_tilted(folder):
    angle = np.radians(18.0)
    series = Series(column=(0, np.cos(angle), np.sin(angle)))
    save(enhanced(series), folder / "all.dcm")
    return Answer(series, found("tilt"))


@case
def enhanced_with_two_times(folder):
    series = Series()
    ds = enhanced(series, np.concatenate([ORDER, ORDER]))
    for number, frame in enumerate(ds.PerFrameFunctionalGroupsSequence):
        frame.FrameContentSequence[0].TemporalPositionIndex = 1 + number // SLICES
    save(ds, folder / "all.dcm")
    return Answer(series, error="time 2 of 2")


@case
def enhanced_with_two_stacks_one_above_the_other(folder):
    series = Series()
    order = [k for k in ORDER if k not in (4, 5)]
    ds = enhanced(series, order)
    for k, frame in zip(order, ds.PerFrameFunctionalGroupsSequence):
        frame.FrameContentSequence[0].StackID = "low" if k < 4 else "high"
    save(ds, folder / "all.dcm")
    return Answer(series, error="stack 2 of 2")


@case
def enhanced_missing_frame(folder):
    series = Series()
    save(enhanced(series, [k for k in ORDER if k != 4]), folder / "all.dcm")
    return Answer(series, error="missing")


@case
def enhanced_without_groups(folder):
    series = Series(row=(1, 0, 0), column=(0, 1, 0), step=(0, 0, 2.5), origin=(0, 0, 0), spacing=(1, 1))
    ds = enhanced(series, range(SLICES))
    del ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence
    ds.SpacingBetweenSlices, ds.RescaleSlope, ds.RescaleIntercept = "2.5", "1", "-1024"
    save(ds, folder / "all.dcm")
    return Answer(series, found("no_geometry"))


@case
def enhanced_with_too_few_groups(folder):
    series = Series()
    ds = enhanced(series)
    del ds.PerFrameFunctionalGroupsSequence[-1]
    save(ds, folder / "all.dcm")
    return Answer(series, error="9 functional groups for 10 frames")


@case
def multiframe_of_another_kind(folder):
    ds = dataset(Series(), 0)
    ds.NumberOfFrames = SLICES
    ds.PixelData = Series().stored.tobytes()
    save(ds, folder / "cine.dcm")
    return Answer(error="without functional groups")


@case
def two_enhanced_files_of_one_series(folder):
    series = Series()
    for part, order in enumerate((ORDER[:5], ORDER[5:])):
        ds = enhanced(series, order)
        ds.SOPInstanceUID = f"{ROOT}.2.{50 + part}"
        save(ds, folder / f"part{part}.dcm")
    return Answer(series)


def _twice(folder, mark):
    """Two volumes at the same positions; `mark(group, which)` is all that tells them apart."""
    series = Series()
    ds = enhanced(series, np.concatenate([ORDER, ORDER]))
    for number, frame in enumerate(ds.PerFrameFunctionalGroupsSequence):
        mark(frame, number // len(ORDER))
    other = series.stored[ORDER] + np.int16(9)
    ds.PixelData = series.stored[ORDER].tobytes() + other.tobytes()
    save(ds, folder / "all.dcm")
    return Answer(series, error="2 series or parts of one")


@case
def enhanced_with_two_energies_by_dimension(folder):
    def mark(frame, which):
        content = frame.FrameContentSequence[0]
        content.DimensionIndexValues = [1, content.InStackPositionNumber, which + 1]

    return _twice(folder, mark)


@case
def enhanced_with_two_time_offsets(folder):
    return _twice(
        folder,
        lambda frame, which: setattr(frame, "TemporalPositionSequence", [item(TemporalPositionTimeOffset=2.5 * which)]),
    )


@case
def enhanced_with_two_rescale_types(folder):
    return _twice(
        folder,
        lambda frame, which: setattr(frame.PixelValueTransformationSequence[0], "RescaleType", ("HU", "MGML")[which]),
    )
