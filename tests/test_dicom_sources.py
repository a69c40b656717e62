"""Where files come from, what lies outside the scan circle, and hostile surroundings."""

import gzip
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from helpers.dicom import DicomSeriesError, read_series, scan_folder, sources, tags
from tests.zoo.answer import plain, tweaked
from tests.zoo.cases import CASES
from tests.zoo.writer import BRIGHT, SECRET, Series, name

REAL_ZIP = zipfile.ZipFile


@pytest.mark.parametrize(
    ("name", "filler"),
    [
        ("padding_tag", -2000),
        ("padding_tag_of_the_wrong_sign", -2000),
        ("padding_tag_disagrees", -1024),
        ("padding_without_tag", -2000),
        ("padding_that_air_may_reach", 0),
    ],
)
def test_the_field_outside_is_found(name, filler, tmp_path):
    answer = CASES[name](tmp_path)
    volume = read_series(tmp_path)
    stored = answer.series.stored
    assert np.array_equal(volume.outside, stored == filler) and volume.outside.any() and not volume.outside.all()
    assert not volume.outside[BRIGHT[0], 20, 21]
    inside = volume.filled(-1000).hu[~volume.outside]
    assert (
        np.array_equal(inside, volume.hu[~volume.outside]) and (volume.filled(-1000).hu[volume.outside] == -1000).all()
    )
    (finding,) = volume.findings
    assert str(filler - 1024) in finding.message


def test_a_range_of_paddings(tmp_path):
    CASES["padding_range"](tmp_path)
    volume = read_series(tmp_path)
    assert volume.outside[:, 0, 0].all() and volume.hu[0, 0, 0] == -1990 - 1024
    assert set(np.unique(volume.hu[volume.outside])) == {-3024, -3014}


def test_noise_and_clipped_air_are_not_outside(tmp_path):
    rng = np.random.default_rng(0)
    noisy = np.clip(rng.normal(0, 30, (4, 40, 40)), 0, None).astype(np.int16)  # -1024 HU where the scanner clipped
    plain(tmp_path / "noisy", Series(stored=noisy))
    assert read_series(tmp_path / "noisy").outside is None
    body = np.full((4, 40, 40), 24, np.int16)  # a phantom without noise: air of -1000 HU up to the corners
    body[:, 10:30, 10:30] = 1064
    plain(tmp_path / "clean", Series(stored=body))
    clean = read_series(tmp_path / "clean")
    assert clean.outside is None and clean.findings == []


def test_a_tag_that_means_tissue_is_not_believed(tmp_path):
    tweaked(tmp_path, lambda ds, k: setattr(ds, "PixelPaddingValue", 1064))  # would be 40 HU
    volume = read_series(tmp_path)
    assert volume.outside is None and "not used" in volume.findings[0].message


def test_two_kinds_of_path_for_a_zip(tmp_path):
    answer = CASES["zip_archive"](tmp_path)
    archive = answer.source(tmp_path)
    (info,) = scan_folder(archive)
    assert all(path.parent.parent == archive for path in info.files)
    again = read_series(info.files)  # the paths inside the archive are enough
    assert np.array_equal(again.hu, read_series(info).hu)
    assert np.array_equal(read_series(tmp_path).hu, again.hu)  # an archive in a folder


def test_odd_names_inside_an_archive(tmp_path):
    plain(tmp_path / "in", Series(stored=Series().stored[:1]))
    (path,) = (tmp_path / "in").iterdir()
    archive = tmp_path / "odd.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("/study/größe.dcm", path.read_bytes())
        file.writestr("x", b"")
    data = archive.read_bytes()
    last = data.rindex(b"PK\x01\x02")
    data = (
        data[: last + 28] + b"\0\0" + data[last + 30 : last + 46] + data[last + 47 :]
    )  # the name of "x" has no length
    end = data.rindex(b"PK\x05\x06")
    size = int.from_bytes(data[end + 12 : end + 16], "little") - 1
    archive.write_bytes(data[: end + 12] + size.to_bytes(4, "little") + data[end + 16 :])
    series = scan_folder(archive)
    (info,), (inner,) = series, series[0].files
    assert series.skipped == [("odd.zip", "holds a member without a name")]
    assert inner.is_relative_to(archive)  # "/study" is a folder of the archive, not of this machine
    assert np.array_equal(read_series(info.files).hu, read_series(archive).hu)


def test_a_packed_file_is_told_by_its_packing(tmp_path):
    plain(tmp_path)
    (tmp_path / "slice.dcm.gz").write_bytes(gzip.compress((tmp_path / "00.dcm").read_bytes()))
    (tmp_path / "inner").write_bytes(b"PK\x03\x04" + bytes(300))
    reasons = dict(scan_folder(tmp_path).skipped)
    assert "gzip" in reasons["slice.dcm.gz"] and "archive" in reasons["inner"]


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", b"\0" * (3 << 20))
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02") + 24
    data[place : place + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(data)
    series = scan_folder(path)
    assert not series and "bomb" not in series.skipped[0][1] and "than can be meant" in series.skipped[0][1]


def test_a_deflated_bomb_stops_at_the_limit(tmp_path, monkeypatch):
    answer = CASES["deflated"](tmp_path)
    monkeypatch.setattr(sources, "MAX_MEMBER", 500)
    with pytest.raises(DicomSeriesError, match="unpacks to more bytes than can be meant"):
        read_series(answer.source(tmp_path))


def test_more_elements_than_can_be_meant_are_not_parsed(tmp_path):
    """Each would become an object of a hundred times its size."""
    path = sorted(plain(tmp_path) and tmp_path.glob("*.dcm"))[3]
    data = path.read_bytes()
    place = data.index(b"\xe0\x7f\x10\x00")
    path.write_bytes(data[:place] + b"\x09\x00\x01\x10LO\x00\x00" * 150_000 + data[place:])
    with pytest.raises(DicomSeriesError, match="more data elements than can be meant"):
        read_series(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes and links")
def test_pipes_and_loops_do_not_hang(tmp_path):
    plain(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    series = scan_folder(tmp_path)
    reasons = dict(series.skipped)
    assert len(series) == 1 and series[0].n_slices == 10
    assert "regular" in reasons["pipe"] and "link" in reasons["loop"] and "gone" in reasons
    assert "skipped" in {finding.kind for finding in read_series(tmp_path).findings}


def test_missing_places_are_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        scan_folder(tmp_path / "nowhere")
    with pytest.raises(DicomSeriesError, match="no files"):
        read_series(tmp_path)
    with pytest.raises(DicomSeriesError, match="no such file"):
        read_series([tmp_path / "nowhere.dcm"])


def test_another_uid_lists_what_there_is(tmp_path):
    plain(tmp_path)
    with pytest.raises(DicomSeriesError, match="zoo"):
        read_series(tmp_path, series_uid="1.2.3")


def test_meta_is_technical(tmp_path):
    plain(tmp_path)
    meta = read_series(tmp_path).meta
    assert meta["modality"] == "CT" and meta["kernel"] == "B30" and meta["slice_thickness"] == 2.5
    shown = str(meta)
    for secret in (SECRET, "ZQ-4711", "19500102", Series().uid):
        assert secret not in shown


def test_the_table_shows_a_row_per_series(tmp_path):
    CASES["two_series"](tmp_path)
    series = scan_folder(tmp_path)
    assert "2 series, 0 files skipped" in repr(series) and series._repr_html_().count("<tr>") == 3
    assert series[0].extent == pytest.approx((25.0, 12 * 0.8, 16 * 0.7))


def test_the_largest_of_several(tmp_path):
    """A CT before anything else, then the one with the most voxels; for nothing at all, the reasons."""
    plain(tmp_path / "small", Series(stored=Series().stored[:3]))
    plain(tmp_path / "large", Series(uid=f"{Series().uid}.9"))
    many = scan_folder(tmp_path)
    assert len(many) == 2 and many.largest().n_slices == len(Series().stored)
    next(info for info in many if info.n_slices > 3).modality = "MR"
    assert many.largest().n_slices == 3
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "notes.txt").write_text("no image")
    with pytest.raises(DicomSeriesError, match=r"notes\.txt is"):
        scan_folder(tmp_path / "nothing").largest()


def test_a_value_that_swallowed_the_name_is_not_shown(tmp_path):
    plain(tmp_path, Series(stored=Series().stored[:1]))
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    start, end = data.index(b"\x08\x00\x60\x00CS") + 8, data.index(b"\x10\x00\x30\x00DA")
    data[start - 2 : start] = (end - start).to_bytes(2, "little")  # Modality now reaches over PatientName
    path.write_bytes(data)
    series = scan_folder(tmp_path)
    shown = repr(series) + str(series.skipped) + "".join(map(repr, series))
    try:
        volume = read_series(tmp_path)
        shown += str(volume.findings) + str(volume.meta)
    except DicomSeriesError as error:
        shown += str(error)
    assert SECRET not in shown and "ZQ-4711" not in shown


def test_a_name_that_was_typed_into_other_texts_is_not_shown(tmp_path):
    def change(ds, k):
        ds.ManufacturerModelName, ds.ConvolutionKernel = "Zebra's scanner", "B30 ZQ-4711"
        ds.SeriesDescription, ds.RescaleType = f"Thorax of QUAGGA, {SECRET.lower()} (ZQ-4711)", SECRET

    tweaked(tmp_path, change)
    series = scan_folder(tmp_path)
    volume = read_series(series[0])
    shown = repr(series) + str(series[0]) + str(volume.findings) + str(volume.meta) + repr(series[0].stack.frames[0])
    assert "Thorax of" in shown and "another unit" in shown
    for part in ("zebra", "quagga", "zq-4711"):
        assert part not in shown.lower()


def test_a_common_word_that_is_also_a_given_name_stays(tmp_path):
    tweaked(tmp_path, lambda ds, k: setattr(ds, "PatientName", "PHANTOM^ZOO"))
    assert scan_folder(tmp_path)[0].description == "zoo"


def test_the_contents_of_an_archive_are_listed_once_for_all_members(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for k in range(50):
            archive.writestr(f"{k}.txt", "no image")
    opened = []
    monkeypatch.setattr(sources.zipfile, "ZipFile", lambda path: opened.append(path) or REAL_ZIP(path))
    assert len(scan_folder(tmp_path / "many.zip").skipped) == 50
    assert len(opened) == 2  # for the list, and for the members
    (tmp_path / "many.zip").unlink()  # nothing holds it open


def test_files_are_opened_once_and_closed_in_the_end(tmp_path, monkeypatch):
    series, opened, closed = plain(tmp_path), [], []
    os_open, os_close = os.open, os.close
    monkeypatch.setattr(os, "open", lambda *given, **named: opened.append(os_open(*given, **named)) or opened[-1])
    monkeypatch.setattr(os, "close", lambda handle: closed.append(handle) or os_close(handle))
    for room, times in ((512, 1), (3, 2), (0, 2)):
        opened.clear(), closed.clear()
        monkeypatch.setattr(sources._OPENED, "room", room)
        np.testing.assert_array_equal(read_series(tmp_path, workers=2).hu, series.hu)
        count = len(series.stored)
        assert len(opened) == (count if times == 1 else 2 * count - room) and len(closed) == len(opened)
        assert not sources._OPENED.files


def test_files_are_closed_after_an_error_too(tmp_path, monkeypatch):
    plain(tmp_path)
    monkeypatch.setattr(sources._OPENED, "room", 512)
    with pytest.raises(ValueError, match="out must be"):
        read_series(tmp_path, out=np.empty((1, 2, 3), np.int16))
    assert not sources._OPENED.files and not sources._OPENED.inside


@pytest.mark.parametrize("workers", [1, 3])
def test_systems_that_cannot_read_at_a_place(tmp_path, monkeypatch, workers):
    monkeypatch.setattr(sources, "PREADV", None)  # Windows
    monkeypatch.setattr(sources._OPENED, "room", sources._room())
    assert sources._room() == 0
    series = plain(tmp_path)
    np.testing.assert_array_equal(read_series(tmp_path, workers=workers).hu, series.hu)
    (path,) = [path for path in tmp_path.iterdir() if path.name == name(4)]
    info = scan_folder(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DicomSeriesError, match=f"{name(4)}: changed since"):
        read_series(info)


def test_a_gap_names_the_file_that_may_have_filled_it(tmp_path):
    plain(tmp_path)
    path = tmp_path / name(4)
    path.write_bytes(b"lost in a crash")
    with pytest.raises(DicomSeriesError, match=f"1 slice missing between .* Left out: {name(4)} .not a DICOM file"):
        read_series(tmp_path)


@pytest.mark.parametrize("syntax", [None, "1.2.840.10008.1.2.5"])
def test_files_that_changed_after_the_scan_are_not_read_by_the_old_header(tmp_path, syntax):
    def change(ds, k):
        if syntax:
            ds.compress(syntax, generate_instance_uid=False)

    series = tweaked(tmp_path, change)
    info = scan_folder(tmp_path)[0]
    np.testing.assert_array_equal(read_series(info).hu, series.hu)
    path = tmp_path / name(6)
    path.write_bytes(path.read_bytes().replace(b"-1024", b"-1000"))
    with pytest.raises(DicomSeriesError, match=f"{name(6)}: changed since its header was read"):
        read_series(info)


@pytest.mark.parametrize("how", ["all", "list", "info", "uid"])
def test_a_broken_slice_is_not_lost_on_any_way_of_asking(tmp_path, how):
    plain(tmp_path)
    path = tmp_path / name(9)  # the last one: no gap gives it away
    path.write_bytes(path.read_bytes()[:-10])
    series = scan_folder(tmp_path)
    ways = {"all": tmp_path, "list": series, "info": series[0], "uid": tmp_path}
    with pytest.raises(DicomSeriesError, match=f"{name(9)}: truncated"):
        read_series(ways[how], series_uid=series[0].uid if how == "uid" else None)


def test_a_file_that_may_belong_to_a_series_is_said(tmp_path):
    plain(tmp_path)
    path = tmp_path / name(9)
    path.write_bytes(path.read_bytes()[:200])  # nobody knows whose it was
    series = scan_folder(tmp_path)
    with pytest.raises(DicomSeriesError, match=name(9)):
        read_series(tmp_path, series_uid=series[0].uid)
    volume = read_series(series[0])  # chosen on purpose
    assert len(volume.hu) == 9 and any(name(9) in finding.message for finding in volume.findings)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
def test_names_of_old_discs_can_be_printed(tmp_path):
    plain(tmp_path / "a")
    folder = tmp_path / "a" / os.fsdecode(b"Th\xf6rax")
    folder.mkdir()
    for path in list((tmp_path / "a").glob("*.dcm")):
        path.rename(folder / path.name)
    (tmp_path / "a" / os.fsdecode(b"no\xfe.txt")).write_text("x")
    volume = read_series(tmp_path / "a")
    shown = str(volume.meta) + str(volume.findings) + repr(scan_folder(tmp_path / "a").skipped)
    assert shown.encode("utf-8") and "udcf6" in shown and len(volume.hu) == 10
    named = read_series([tmp_path / "a" / os.fsdecode(b"no\xfe.txt"), *folder.iterdir()])  # given one by one
    assert "udcfe" in str(named.findings).encode("utf-8").decode() and len(named.hu) == 10


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Zebra^Quagga", "Zebra_Quagga_Thorax"),
        ("Zebra^Quagga", "ZebraQuagga Thorax"),
        ("Zebra^Quagga", "quaggazebra"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "胸部 山田太郎 CT"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "胸部 山田 太郎 CT"),
        ("Müller^Jörg", "Thorax MU\u0308LLER JO\u0308RG"),
        ("Müller^Jörg", "Thorax Mueller Joerg"),
        ("Müller^Jörg", "MULLER65Y"),
        ("Zebra^Quagga", "zebra1"),
        ("Zebra^Quagga", "Zebras Thorax"),
        ("Zebra^Quagga", "ＺＥＢＲＡ thorax"),
        ("ANON=Zebra^Quagga", "Thorax Zebra"),
        ("ANON\\Quagga^X", "quagga thorax"),
    ],
)
def test_names_in_other_spellings_are_not_shown(name, text):
    shown = tags.without_identity(text, name, "").lower()
    for part in ("zebra", "quagga", "山田", "太郎", "müller", "mu\u0308ller", "jörg", "mueller", "joerg", "muller"):
        assert part not in shown
    for number in ("ZQ-4711", "zq4711", "ZQ_4711", "4711"):
        assert tags.without_identity(f"Thorax_{number}", "", "ZQ-4711") == "Thorax_..."
    assert tags.without_identity("Thorax 14711 mA", "", "ZQ-4711") == "Thorax 14711 mA"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CT 20190312 Thorax", "CT ... Thorax"),
        ("Thorax 2019-03-12", "Thorax ..."),
        ("Lung, 12.3.2019", "Lung, ..."),
        ("03/12/19 Lung", "... Lung"),
        ("Chest_2019_03_12", "Chest_..."),
        ("March 5th, 2019", "..."),
        ("12Mar2019", "..."),
        ("scan 12032019", "scan ..."),
        ("20180419101112", "..."),
        ("Chest.20180419", "Chest...."),
        ("2018-Apr-19", "..."),
        ("19-APR-18", "..."),
        ("04/2018", "..."),
        ("201804", "..."),
        ("3-2019 Thorax", "... Thorax"),
        ("Thorax 12 luglio 2019", "Thorax ..."),
        ("Tórax 12 de marzo de 2019", "Tórax ..."),
        ("12 mrt 2019", "..."),
        ("12. lutego 2019", "..."),
        ("12 Ocak 2019", "..."),
        ("12 марта 2019", "..."),
        ("CT ٢٠١٩/٠٣/١٢", "CT ..."),
        ("CT ２０１９/０３/１２", "CT ..."),
        ("CT 平成31年3月12日", "CT 平成..."),
        ("Maxilla 12 general 2000 mm", "Maxilla 12 general 2000 mm"),
        ("2018 4 19", "..."),
        ("Lung 1.25 mm B70f 512", "Lung 1.25 mm B70f 512"),
        ("KIDNEY 0.6 10.10 v1.0.2", "KIDNEY 0.6 10.10 v1.0.2"),
        ("MARCH 3 mm, Thorax 2019", "MARCH 3 mm, Thorax 2019"),
        ("1990-2000", "1990-2000"),
    ],
)
def test_dates_in_texts_are_not_shown(text, shown):
    assert tags.without_identity(text, "", "") == shown


@pytest.mark.parametrize("name", ["a" * 300, "zero\0byte", "nowhere"])
def test_names_that_no_file_has(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="does not exist; give a folder"):
        scan_folder(tmp_path / name)
    plain(tmp_path / "a")
    volume = read_series([tmp_path / name, *(tmp_path / "a").iterdir()])
    assert len(volume.hu) == 10 and "no such file" in str(volume.findings)


def test_a_path_that_may_not_be_looked_at(tmp_path, monkeypatch):
    def closed(path, **options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", closed)
    with pytest.raises(PermissionError, match="series may not be looked at: the rights of a folder above forbid it"):
        read_series(tmp_path / "series")
    assert scan_folder([tmp_path / "series"]).skipped == [("series", "may not be looked at")]


def test_a_part_of_what_was_found_is_a_source(tmp_path):
    plain(tmp_path / "a")
    plain(tmp_path / "b", Series(uid=f"{Series().uid}1"))
    found = scan_folder(tmp_path)
    assert len(read_series(found[1:]).hu) == 10 and "1.2.826" not in repr(found[0])
    with pytest.raises(DicomSeriesError, match="2 series or parts"):
        read_series(found[:])


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", None])
def test_workers_are_counted(tmp_path, workers):
    plain(tmp_path)
    with pytest.raises(ValueError, match="workers must be a whole number"):
        read_series(tmp_path, workers=workers)


def test_an_empty_path_is_not_this_folder():
    with pytest.raises(FileNotFoundError, match="The path is empty"):
        read_series("")


def test_a_masked_array_is_nothing_to_read_into(tmp_path):
    plain(tmp_path)
    with pytest.raises(ValueError, match="out must be a writeable"):
        read_series(tmp_path, out=np.ma.zeros((10, 12, 16), np.int16))


@pytest.mark.parametrize("progress", [lambda items, total: list(items)[:2], lambda items, total: []])
def test_progress_must_give_everything_back(tmp_path, progress):
    plain(tmp_path)
    with pytest.raises(ValueError, match="of 10 slices; it must give back each item"):
        read_series(tmp_path, progress=progress)


@pytest.mark.parametrize(
    "keyword", ["Modality", "PatientPosition", "PhotometricInterpretation", "RescaleType", "SpecificCharacterSet"]
)
def test_a_name_in_the_place_of_a_code_is_not_shown(tmp_path, keyword, caplog, recwarn):
    tweaked(tmp_path, lambda ds, k: setattr(ds, keyword, SECRET.upper()))
    recwarn.clear()
    caplog.clear()
    shown = str(scan_folder(tmp_path)) + repr(list(scan_folder(tmp_path)))
    try:
        volume = read_series(tmp_path)
        shown += str(volume.findings) + str(volume.meta)
    except DicomSeriesError as error:
        shown += str(error) + str(error.findings)
    shown += caplog.text + "".join(str(warning.message) for warning in recwarn)
    assert "ZEBRA" not in shown and "QUAGGA" not in shown


def test_the_name_may_stand_in_another_slice(tmp_path):
    def change(ds, k):
        ds.SeriesDescription = "Thorax Zebra"
        if k == 0:
            del ds.PatientName

    tweaked(tmp_path, change)
    assert scan_folder(tmp_path)[0].description == "Thorax ..."


def test_an_archive_that_changed_since_the_scan(tmp_path):
    def archive(intercept):
        tweaked(tmp_path / "in", lambda ds, k: setattr(ds, "RescaleIntercept", intercept))
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as target:
            for path in (tmp_path / "in").iterdir():
                target.write(path, path.name)

    archive("-1024")
    info = scan_folder(tmp_path / "all.zip")[0]
    archive("-2024")
    os.utime(tmp_path / "all.zip", ns=(1, 1))
    with pytest.raises(DicomSeriesError, match="changed since its header was read; scan the folder again"):
        read_series(info)
    (tmp_path / "all.zip").unlink()
    with pytest.raises(DicomSeriesError, match="the archive is not there any more"):
        read_series(info)


def test_members_with_odd_names_are_found_again(tmp_path):
    plain(tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as target:
        for path in (tmp_path / "in").iterdir():
            target.write(path, f"./a//{path.name}")
    assert len(read_series(scan_folder(tmp_path / "all.zip")[0].files).hu) == 10


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    plain(tmp_path / "scan")
    assert len(read_series("~/scan").hu) == 10
    files = [f"~/scan/{path.name}" for path in (tmp_path / "scan").iterdir()]
    volume = read_series(files)
    volume.to_nifti("~/scan.nii.gz")
    assert len(volume.hu) == 10 and (tmp_path / "scan.nii.gz").exists()
    assert "no such file" in str(scan_folder(["~nobody_of_this_name/x"]).skipped)


def test_the_five_lines_of_the_readme(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    plain(tmp_path / "scan")
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (block,) = [text.split("```")[0] for text in readme.split("```python\n")[1:]]
    exec(block, {})
    assert "12 x 16" in capsys.readouterr().out and (tmp_path / "scan.nii.gz").exists()


@pytest.mark.parametrize("source", [None, 5, [None], [1, 2], b"folder"])
def test_what_is_no_path_is_said(source):
    with pytest.raises(TypeError, match=r"Give a folder, a zip archive, a file or a list of these, not (int|NoneType)"):
        read_series(source)


def test_other_names_numbers_and_days_of_any_slice_are_not_shown(tmp_path):
    """The first slice is anonymous, the others are not; people write six digits for a day of birth."""

    def change(ds, k):
        ds.PatientName, ds.PatientBirthName = "ANON" if k == 0 else "Zebra^Quagga", "Okapi"
        ds.OtherPatientIDs, ds.AccessionNumber, ds.PatientBirthDate = "998877", "A-112233", "19500102"
        ds.add_new(0x00101001, "PN", ["Tapir^X", "Gnu^Y"])
        ds.SeriesDescription = "Zebra Okapi Tapir 998877 A112233 020150 Thorax"

    tweaked(tmp_path, change)
    info = scan_folder(tmp_path)[0]
    assert info.description.split() == [*["..."] * 6, "Thorax"]
