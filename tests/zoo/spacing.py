"""Slices that are missing, unevenly spaced, beside the line or there twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from tests.zoo.answer import Answer, case, found, plain, tweaked
from tests.zoo.writer import ROOT, SLICES, Series, dataset, datasets, name, save


def _without(folder: Path, gone: int) -> Series:
    series = Series()
    for k, ds in enumerate(datasets(series)):
        if k != gone:
            save(ds, folder / name(k))
    return series


@case
def one_slice_fifty_kilometres_away(folder):
    def change(ds, k):
        if k == 9:
            ds.ImagePositionPatient = [-30, -20, 100 + 2.5 * 20_000_000]

    return Answer(tweaked(folder, change), error="differ", options={"gaps": "fill"})


@case
def missing_slice(folder):
    return Answer(_without(folder, 4), error="missing between 02.dcm and 05.dcm, at (-30, -20, 110) mm")


@case
def missing_slice_kept(folder):
    series = _without(folder, 4)
    kept = [k for k in range(SLICES) if k != 4]
    return Answer(series, found("missing_slice"), options={"gaps": "keep"}, kept=kept)


@case
def missing_slice_filled(folder):
    return Answer(_without(folder, 4), found("missing_slice", "filled"), options={"gaps": "fill"})


@case
def uneven_spacing(folder):
    def change(ds, k):
        ds.ImagePositionPatient = [-30, -20, 100 + 2.5 * k + (1.2 if k > 5 else 0)]

    return Answer(tweaked(folder, change), error="distances run from 2.5 to 3.7")


@case
def two_zones_of_spacing(folder):
    def change(ds, k):
        ds.ImagePositionPatient = [-30, -20, 100 + (2.5 * k if k < 5 else 12.5 + 5 * (k - 5))]

    return Answer(tweaked(folder, change), error="missing")


def _drifting(ds, k, growth):
    """Each step a little longer than the one before: no step stands out, the sum does."""
    ds.ImagePositionPatient = [-30, -20, f"{100 + 2.5 * k + growth * k * k:.6f}"]


@case
def spacing_drifts_far(folder):
    return Answer(tweaked(folder, lambda ds, k: _drifting(ds, k, 0.02)), error="change along the stack")


@case
def slices_shifted_sideways(folder):
    def change(ds, k):
        ds.ImagePositionPatient = [-30 + (5 if k == 4 else 0), -20, 100 + 2.5 * k]

    return Answer(tweaked(folder, change), error="beside")


@case
def duplicate_slice(folder):
    series = plain(folder)
    shutil.copy(folder / name(3), folder / "copy.dcm")
    return Answer(series, found("duplicate"))


@case
def duplicate_with_another_uid(folder):
    series = plain(folder)
    ds = dataset(series, 3)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.2.99"
    ds.InstanceNumber, ds.AcquisitionTime = 99, "101010"
    save(ds, folder / "again.dcm")
    return Answer(series, found("duplicate"))


@case
def same_place_other_pixels(folder):
    series = plain(folder)
    ds = dataset(series, 3, series.stored[3] + np.int16(1))
    ds.SOPInstanceUID = f"{ROOT}.2.99"
    save(ds, folder / "other.dcm")
    return Answer(series, error="02.dcm and other.dcm have the same position but different pixels")


@case
def same_place_other_slope(folder):
    series = plain(folder)
    ds = dataset(series, 3)
    ds.RescaleSlope = "2"
    save(ds, folder / "other.dcm")
    return Answer(series, error="different pixels")


@case
def every_slice_twice(folder):
    series = plain(folder)
    plain(folder / "again", series)
    return Answer(series, found("duplicate"))


FINE = Series(step=(0.0, 0.0, 0.625))


def _one_decimal(ds, k):
    ds.ImagePositionPatient = [-30, -20, f"{100 + 0.625 * k:.1f}"]


@case
def positions_with_one_decimal(folder):
    """Steps of 0.6 and 0.7 mm, each slice within 0.05 mm of its place: said, and read."""
    return Answer(tweaked(folder, _one_decimal, FINE), found("uneven_spacing"), near=0.12)


@case
def positions_with_one_decimal_and_a_gap(folder):
    series = tweaked(folder, _one_decimal, FINE)
    (folder / name(4)).unlink()
    return Answer(series, error="1 slice missing between 02.dcm and 05.dcm")


@case
def one_longer_step_in_a_stack_of_ten_micrometres(folder):
    series = Series(step=(0, 0, 0.01), spacing=(0.01, 0.01))

    def change(ds, k):
        ds.ImagePositionPatient = [-30, -20, f"{100 + 0.01 * k + 0.005 * (k > 5):.6f}"]

    return Answer(tweaked(folder, change, series), error="distances run from 0.01 to 0.015")


@case
def spacing_in_the_header_of_half_the_distance(folder):
    """Every second slice was left out, perhaps."""
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "SpacingBetweenSlices", "1.25")), found("spacing"))


@case
def spacing_in_the_header_along_the_table(folder):
    series = Series(step=(0, 0.8, 2.5))
    change = lambda ds, k: setattr(ds, "SpacingBetweenSlices", f"{np.hypot(0.8, 2.5):.5f}")  # noqa: E731
    return Answer(tweaked(folder, change, series), found("tilt"))


@case
def two_scans_half_a_step_apart(folder):
    """Only the numbers tell: those of the second scan follow those of the first."""

    def change(ds, k):
        ds.InstanceNumber = 1 + k // 2 + 5 * (k % 2)

    return Answer(tweaked(folder, change), found("interleaved"))


@case
def every_second_slice_left_out(folder):
    """Evenly: only the numbers tell."""
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "InstanceNumber", 1 + 2 * k)), found("incomplete"))


@case
def the_last_slices_left_out(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "ImagesInAcquisition", 12)), found("incomplete"))


@case
def images_of_two_acquisitions_are_here(folder):
    """ImagesInAcquisition counts those of one: nothing can be told."""

    def change(ds, k):
        ds.AcquisitionNumber, ds.ImagesInAcquisition = k // 5, 12

    return Answer(tweaked(folder, change))


@case
def instance_numbers_that_are_codes(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "InstanceNumber", 20190312 + 100 * k)))
