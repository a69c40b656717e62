"""Files whose parts contradict each other: pixels and header, frames and tables, slices and slices."""

from __future__ import annotations

import zipfile
from functools import partial

import numpy as np
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, JPEGLSLossless, JPEGLSNearLossless, RLELossless

from tests.zoo.answer import Answer, case, found, plain, tweaked
from tests.zoo.enhanced import ORDER, enhanced, item
from tests.zoo.writer import LARGER, Series, dataset, name, picture, save

UNSIGNED = Series(stored=picture(rows=36, columns=40).astype(np.uint16))


def _compress(ds, syntax):
    ds.compress(syntax, generate_instance_uid=False)


@case
def rle_wider_than_columns(folder):
    def change(ds, k):
        _compress(ds, RLELossless)
        ds.Columns = 38

    return Answer(tweaked(folder, change, LARGER), error="holds more pixels than Rows and Columns say")


def _dirty(syntax, ds, k):
    """Rubbish in the bits above BitsStored, which is told only after the picture was written."""
    words = np.frombuffer(ds.PixelData, np.uint16) | (0xA000 if k in (2, 7) else 0)
    ds.PixelData = words.astype(">u2" if syntax == ExplicitVRBigEndian else "<u2").tobytes()
    if syntax == ExplicitVRBigEndian:
        ds.file_meta.TransferSyntaxUID = syntax
    else:
        _compress(ds, syntax)
    ds.BitsStored, ds.HighBit = 12, 11


@case
def bits_above_in_big_endian(folder):
    return Answer(tweaked(folder, partial(_dirty, ExplicitVRBigEndian), UNSIGNED), found("bits"))


@case
def bits_above_in_rle(folder):
    return Answer(tweaked(folder, partial(_dirty, RLELossless), UNSIGNED), found("bits"))


@case
def bits_above_in_jpeg_ls(folder):
    return Answer(tweaked(folder, partial(_dirty, JPEGLSLossless), UNSIGNED), found("bits"))


@case
def bits_above_in_jpeg_2000(folder):
    return Answer(tweaked(folder, partial(_dirty, JPEG2000Lossless), UNSIGNED), found("bits"))


@case
def bits_above_in_eight(folder):
    stored = (np.arange(10 * 12 * 16).reshape(10, 12, 16) % 63).astype(np.uint8)

    def change(ds, k):
        ds.PixelData = (stored[k] | 0xC0).tobytes()
        ds.BitsStored, ds.HighBit = 6, 5

    return Answer(tweaked(folder, change, Series(stored=stored)), found("bits"))


def _frames_twice(series: Series, syntax, table) -> object:
    """Twenty frames: more than are decoded at a time. table: makes the offsets of another order of the right ones."""
    ds = enhanced(series, np.random.default_rng(6).permutation(20))
    _compress(ds, syntax)
    frames = list(generate_frames(ds.PixelData, number_of_frames=20))
    data = bytearray(encapsulate(frames, has_bot=True))
    offsets = np.frombuffer(bytes(data[8:88]), "<u4")
    data[8:88] = table(offsets).astype("<u4").tobytes()
    ds.PixelData = bytes(data)
    return ds


@case
def offset_table_backwards(folder):
    series = Series(stored=picture(20, 36, 40))
    save(_frames_twice(series, JPEG2000Lossless, lambda offsets: offsets[::-1]), folder / "all.dcm")
    return Answer(series)


@case
def offset_table_of_rle_backwards(folder):
    series = Series(stored=picture(20))
    save(_frames_twice(series, RLELossless, lambda offsets: offsets[::-1]), folder / "all.dcm")
    return Answer(series)


@case
def two_pictures_in_a_file_of_one(folder):
    def change(ds, k):
        _compress(ds, JPEG2000Lossless)
        stream = next(generate_frames(ds.PixelData, number_of_frames=1))
        ds.PixelData = encapsulate([stream, stream])
        ds["PixelData"].is_undefined_length = True

    return Answer(tweaked(folder, change, LARGER), error="2 pieces of compressed data that do not make up 1 frame")


@case
def only_the_first_frame_is_lossless(folder):
    series = Series(stored=UNSIGNED.stored)
    ds = enhanced(series, np.arange(10))
    lossless, lossy = enhanced(series, np.arange(10)), ds
    _compress(lossless, JPEGLSLossless)
    lossy.compress(JPEGLSNearLossless, jls_error=2, generate_instance_uid=False)
    streams = [list(generate_frames(d.PixelData, number_of_frames=10)) for d in (lossless, lossy)]
    lossless.PixelData = encapsulate([streams[0][0], *streams[1][1:]])
    save(lossless, folder / "all.dcm")
    return Answer(series, found("lossy"), within=2)


@case
def a_bit_flipped_within_an_archive(folder):
    """Behind the pixels stands more, so that they can be unpacked without the checksum being met."""
    series = tweaked(folder / "in", lambda ds, k: setattr(ds, "DataSetTrailingPadding", bytes(1 << 21)))
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_STORED) as archive:
        for path in sorted((folder / "in").iterdir()):
            archive.write(path, path.name)
            path.unlink()
    (folder / "in").rmdir()
    data = bytearray((folder / "all.zip").read_bytes())
    data[data.index(series.stored[4].tobytes()) + 100] ^= 64
    (folder / "all.zip").write_bytes(bytes(data))
    return Answer(series, error="cannot be unpacked")


@case
def column_direction_half_a_degree_off(folder):
    angle = np.radians(0.5)
    turned = [f"{value:.9g}" for value in (1, 0, 0, np.sin(angle), np.cos(angle), 0)]
    series = Series(stored=picture(rows=36, columns=40))
    return Answer(
        tweaked(folder, lambda ds, k: setattr(ds, "ImageOrientationPatient", turned), series), found("orientation")
    )


def _per_frame(folder, macro: str, **values):
    series = Series()
    ds = enhanced(series)
    for frame, k in zip(ds.PerFrameFunctionalGroupsSequence, ORDER):
        setattr(frame, macro, [item(**{keyword: options[k % 2] for keyword, options in values.items()})])
    save(ds, folder / "all.dcm")
    return series


@case
def enhanced_kernel_of_its_own_per_frame(folder):
    series = _per_frame(folder, "CTReconstructionSequence", ConvolutionKernel=("B30", "B70"))
    return Answer(series, error="2 series or parts of one")


@case
def enhanced_voltage_of_its_own_per_frame(folder):
    return Answer(_per_frame(folder, "CTXRayDetailsSequence", KVP=("80", "140")), found("contrast_varies"))


@case
def enhanced_acquisitions_take_turns(folder):
    series = Series()
    ds = enhanced(series)
    for frame, k in zip(ds.PerFrameFunctionalGroupsSequence, ORDER):
        frame.FrameContentSequence[0].FrameAcquisitionNumber = int(k % 2)
    save(ds, folder / "all.dcm")
    return Answer(series, found("interleaved"))


@case
def acquisitions_take_turns(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "AcquisitionNumber", k % 2)), found("interleaved"))


@case
def acquisitions_one_after_the_other(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "AcquisitionNumber", k // 5)))


@case
def two_series_numbers_under_one_uid(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "SeriesNumber", 3 + k % 2)), error="series number 2 of 2")


@case
def intercept_twice(folder):
    series = plain(folder)
    for path in folder.iterdir():
        data = path.read_bytes()
        start = data.index(b"\x28\x00\x52\x10DS")
        length = 8 + int.from_bytes(data[start + 6 : start + 8], "little")
        element = data[start : start + length]
        path.write_bytes(data[: start + length] + element.replace(b"-1024 ", b"-24   ") + data[start + length :])
    return Answer(series, error="stands there twice")


@case
def bytes_behind_the_pixels(folder):
    series = plain(folder)
    with (folder / name(3)).open("ab") as file:
        file.write(b"\x11\x22" * 8)
    return Answer(series, found("behind"))


@case
def padding_element_behind_the_pixels(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "DataSetTrailingPadding", bytes(50))))


@case
def more_bits_than_float32_has(folder):
    stored = picture().astype(np.int32) * 300_001
    return Answer(tweaked(folder, lambda ds, k: None, Series(stored=stored)), found("rounded"), dtype="float32")


@case
def siemens_element_without_a_mosaic(folder):
    def change(ds, k):
        ds.Modality, ds.Manufacturer = "MR", "SIEMENS"
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        ds.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 1)

    return Answer(tweaked(folder, change), found("not_hu"))


@case
def siemens_mosaic_by_its_count(folder):
    def change(ds, k):
        ds.Modality = "MR"
        ds.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 36)

    return Answer(tweaked(folder, change), error="mosaic")


@case
def nothing_left_but_the_file_meta(folder):
    series = plain(folder)
    save(dataset(series, 0), folder / "cut.dcm")
    data = (folder / "cut.dcm").read_bytes()
    (folder / "cut.dcm").write_bytes(data[: data.index(b"\x08\x00\x05\x00CS")])
    return Answer(series, error="cut.dcm: damaged")


def _parts(folder, which, total=None):
    """A concatenation of three files, of which some are written, with their numbers."""
    series = Series()
    for number, (part, told) in enumerate(which):
        ds = enhanced(series, np.arange(10)[part * 4 : part * 4 + 4])
        ds.SOPInstanceUID = f"{series.uid}.7.{number}"
        ds.ConcatenationUID, ds.InConcatenationNumber = f"{series.uid}.6", told
        if total:
            ds.InConcatenationTotalNumber = total
        save(ds, folder / f"{number}.dcm")
    return series


@case
def concatenation_whose_first_part_came_twice(folder):
    series = _parts(folder, ((0, 1), (0, 1), (1, 2)), total=3)
    return Answer(series, found("incomplete", "duplicate"), kept=list(range(8)))


@case
def concatenation_that_does_not_say_how_many(folder):
    return Answer(_parts(folder, ((0, 1), (1, 3))), found("incomplete"), kept=list(range(8)))


@case
def concatenation_that_is_whole(folder):
    return Answer(_parts(folder, ((0, 1), (1, 2), (2, 3)), total=3))


@case
def too_many_sequence_items(folder):
    series = Series()
    ds = enhanced(series)
    save(ds, folder / "all.dcm")
    data = (folder / "all.dcm").read_bytes()
    start = data.index(b"\x00\x52\x29\x92SQ")
    many = b"\x00\x52\x10\x92SQ\0\0" + (8 * 500_000).to_bytes(4, "little") + b"\xfe\xff\x00\xe0\0\0\0\0" * 500_000
    (folder / "all.dcm").write_bytes(data[:start] + many + data[start:])
    return Answer(series, error="more sequence items")


def _given_twice(folder, change):
    series = Series()
    ds = enhanced(series)
    change(ds)
    save(ds, folder / "all.dcm")
    return Answer(series, found("contested"))


@case
def enhanced_spacing_for_all_and_for_a_frame(folder):
    def change(ds):
        own = list(map(float, ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing))
        for group in ds.PerFrameFunctionalGroupsSequence:
            group.PixelMeasuresSequence = [item(PixelSpacing=own)]
        ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [9, 9]

    return _given_twice(folder, change)


@case
def enhanced_scale_outside_the_groups_too(folder):
    return _given_twice(folder, lambda ds: setattr(ds, "RescaleIntercept", "-5"))


@case
def enhanced_position_twice_in_one_macro(folder):
    def change(ds):
        ds.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence.append(item(ImagePositionPatient=[1, 2, 3]))

    return _given_twice(folder, change)


@case
def enhanced_same_spacing_for_all_and_for_a_frame(folder):
    series = Series()
    ds = enhanced(series)
    spacing = [f"{float(step):.6f}" for step in series.spacing]
    ds.PerFrameFunctionalGroupsSequence[0].PixelMeasuresSequence = [item(PixelSpacing=spacing, SliceThickness="2.5")]
    save(ds, folder / "all.dcm")
    return Answer(series)


@case
def ct_by_modality_and_mr_by_class(folder):
    def change(ds, _):
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"

    return Answer(tweaked(folder, change), found("contested"))
