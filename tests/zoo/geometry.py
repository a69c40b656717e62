"""Where slices lie: orientation, order along the normal, tilt, pixel and slice spacing."""

from __future__ import annotations

import numpy as np

from tests.zoo.answer import Answer, case, found, plain, tweaked
from tests.zoo.writer import SLICES, Series, picture


def rotated(angle: float) -> tuple[tuple, tuple, tuple]:
    """Row, column and normal of an oblique stack, turned about two axes."""
    a, b = np.radians(angle), np.radians(20.0)
    turn_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    axes = turn_z @ turn_x
    return tuple(axes[:, 0]), tuple(axes[:, 1]), tuple(axes[:, 2])


@case
def clean(folder):
    return Answer(plain(folder))


@case
def rising_instance_numbers_against_z(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "InstanceNumber", SLICES - k)))


@case
def instance_number_absent(folder):
    return Answer(tweaked(folder, lambda ds, k: delattr(ds, "InstanceNumber")))


@case
def instance_number_all_equal(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "InstanceNumber", 1)))


@case
def sagittal(folder):
    return Answer(plain(folder, Series(row=(0, 1, 0), column=(0, 0, -1), step=(-2.5, 0, 0))))


@case
def coronal(folder):
    return Answer(plain(folder, Series(row=(1, 0, 0), column=(0, 0, -1), step=(0, 2.5, 0))))


@case
def oblique(folder):
    row, column, normal = rotated(30)
    return Answer(plain(folder, Series(row=row, column=column, step=tuple(2.5 * np.array(normal)))))


@case
def prone(folder):
    return Answer(plain(folder, Series(row=(-1, 0, 0), column=(0, -1, 0))))


@case
def decubitus(folder):
    return Answer(plain(folder, Series(row=(0, -1, 0), column=(1, 0, 0))))


@case
def normal_points_to_the_feet(folder):
    return Answer(plain(folder, Series(row=(-1, 0, 0), column=(0, 1, 0))))


@case
def planes_a_little_askew(folder):
    """Within what counts as parallel, yet a corner is a tenth of a millimetre off: to be said."""

    def change(ds, k):
        angle = 0.0 if k < 5 else 0.0009
        ds.ImageOrientationPatient = [
            f"{v:.9g}" for v in (np.cos(angle), np.sin(angle), 0, -np.sin(angle), np.cos(angle), 0)
        ]

    large = Series(stored=picture(rows=80, columns=100), spacing=(1.6, 1.4))
    return Answer(tweaked(folder, change, large), found("uneven_planes"))


@case
def rounding_of_the_orientation(folder):
    def change(ds, k):
        ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"] if k % 2 else ["1", "1e-5", "0", "-1e-5", "1", "0"]

    return Answer(tweaked(folder, change))


@case
def overlapping_slices(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "SliceThickness", "5")))


@case
def gantry_tilt(folder):
    angle = np.radians(18.0)
    series = Series(column=(0, np.cos(angle), np.sin(angle)))
    return Answer(plain(folder, series), found("tilt"))


@case
def tilt_tag_without_tilt(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "GantryDetectorTilt", "18")))


@case
def anisotropic_pixels(folder):
    return Answer(plain(folder, Series(spacing=(1.9, 0.3))))


@case
def far_spread_thickness(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "SliceThickness", "1.0")), found("sparse"))


@case
def single_slice(folder):
    series = Series(stored=picture(1))
    return Answer(plain(folder, series), found("single_slice"))


@case
def single_slice_without_thickness(folder):
    series = Series(stored=picture(1), step=(0, 0, 1.0))
    return Answer(tweaked(folder, lambda ds, k: delattr(ds, "SliceThickness"), series), found("single_slice"))


@case
def no_positions(folder):
    return Answer(tweaked(folder, lambda ds, k: delattr(ds, "ImagePositionPatient")), error="no order")


@case
def position_of_two_numbers(folder):
    def change(ds, k):
        if k == 4:
            ds.ImagePositionPatient = ["-30", "-20"]

    return Answer(tweaked(folder, change), error="09.dcm: ImagePositionPatient has not three numbers")


@case
def one_slice_without_position(folder):
    def change(ds, k):
        if k == 4:
            del ds.ImagePositionPatient

    return Answer(
        tweaked(folder, change),
        error="1 slice without ImagePositionPatient or ImageOrientationPatient: no order can be told (09.dcm)",
    )


@case
def spacing_of_three_numbers(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "PixelSpacing", ["0.8", "0.7", "2.5"])), error="not two")


@case
def no_orientation(folder):
    return Answer(tweaked(folder, lambda ds, k: delattr(ds, "ImageOrientationPatient")), error="no order")


@case
def positions_empty(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "ImagePositionPatient", None)), error="no order")
