"""Folders of pictures, good and bad: every fault ends in a sentence or in a counted, named skip."""

import numpy as np
import pytest
from PIL import Image

from helpers.folders import FolderError, get_batches, list_classes, list_pictures, load_square, one_hot, picture_key
from helpers.images import ImageError


def picture(path, value=100, size=(20, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size[::-1], value if mode == "L" else (value, 0, 255 - value)).save(path)
    return path


@pytest.fixture
def two(tmp_path):
    for k in range(5):
        picture(tmp_path / "set" / "cats" / f"{k}.png", 10 * k)
        picture(tmp_path / "set" / "Dogs" / "inner" / f"{k}.png", 200 + k)
    return tmp_path / "set"


def test_classes_are_folder_names_in_order_and_labels_fit(two):
    listing = list_classes(two)
    assert listing.class_names == ["Dogs", "cats"]
    assert all(listing.class_names[k] in file.parts for file, k in zip(listing.files, listing.labels))
    assert len(listing.files) == 10 and not listing.skipped


def test_batches_cover_every_picture_once_and_repeat_with_the_seed(two):
    def blues(batches):
        return [round(float(value)) for pictures, _ in batches for value in pictures[:, 0, 0, 0]]

    first, again = get_batches(two, 4, seed=3), get_batches(two, 4, seed=3)
    one, two_, three = blues(first), blues(first), blues(again)
    assert sorted(one) == sorted([0, 10, 20, 30, 40, 200, 201, 202, 203, 204])
    assert one == three and one != two_ and sorted(one) == sorted(two_)
    assert len(first) == 3 and [len(p) for p, _ in first] == [4, 4, 2]
    pictures, labels = next(iter(get_batches(two, 4)))
    assert pictures.shape == (4, 224, 224, 3) and pictures.dtype == np.float32 and pictures.max() > 1
    assert np.array_equal(labels.argmax(1) == 0, pictures[:, 0, 0, 0] >= 200)  # Dogs are class 0 and the red ones
    assert str(first) == "10 pictures of 2 classes (Dogs 5, cats 5)"


def test_unlabelled_folder(two):
    batches = get_batches(two, 3, shuffle=False, class_mode=None)
    assert sum(len(b) for b in batches) == 10 and batches.class_names == []
    with pytest.raises(ValueError, match="class_mode"):
        get_batches(two, class_mode="binary")


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda p: None, "does not exist"),
        (lambda p: p.mkdir(), "no class folders"),
        (lambda p: picture(p / "a.png"), "no class folders"),
        (lambda p: (picture(p / "a" / "a.png"), (p / "b").mkdir()), "set/b holds no readable picture"),
        (lambda p: [picture(p / s / c / "a.png") for s in ("train", "validation") for c in "ab"], "set/train or"),
        (lambda p: p.write_text("x"), "is a file"),
    ],
)
def test_wrong_layouts_end_in_a_sentence(tmp_path, prepare, words):
    prepare(tmp_path / "set")
    with pytest.raises(FolderError, match=words):
        list_classes(tmp_path / "set")


def test_bad_files_are_named_and_counted(two):
    (two / "cats" / "empty.jpg").touch()
    (two / "cats" / "text.jpg").write_text("no picture")
    (two / "cats" / "list.csv").write_text("a,b")
    (two / "cats" / ".DS_Store").write_bytes(b"x")
    (two / ".ipynb_checkpoints").mkdir()
    picture(two / "loose.png")
    cut = two / "Dogs" / "cut.png"
    cut.write_bytes(picture(two / "Dogs" / "whole.png", size=(200, 200)).read_bytes()[:150])
    batches = get_batches(two, 4)
    assert {s.file for s in batches.skipped} == {"cats/empty.jpg", "cats/text.jpg", "cats/list.csv", "loose.png"}
    assert sum(len(p) for p, _ in batches) == 11  # the cut file shows only when it is decoded
    assert "Dogs/cut.png" in {s.file for s in batches.skipped} and len(batches.skipped) == 5
    list(batches)
    assert len(batches.skipped) == 5  # named once, however often it is met
    assert str(batches).startswith("11 pictures of 2 classes (")  # and no longer counted among the pictures


def test_links_to_nowhere_and_telephone_pictures_are_named_with_the_remedy(two):
    (two / "cats" / "gone.jpg").symlink_to(two / "nowhere.jpg")
    (two / "cats" / "holiday.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    skipped = {s.file: s.reason for s in list_classes(two).skipped}
    assert set(skipped) == {"cats/gone.jpg", "cats/holiday.HEIC"}
    assert skipped["cats/gone.jpg"] == "a link to a file that is not there"
    assert "export it as JPEG" in skipped["cats/holiday.HEIC"]


def test_nothing_readable(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.jpg").write_text("x")
    with pytest.raises(FolderError, match="no readable picture"):
        list_pictures(tmp_path)


def test_load_square_takes_raw_values_only(tmp_path):
    grey = picture(tmp_path / "g.png", 77, mode="L")
    assert np.array_equal(load_square(grey, 8), np.full((8, 8, 3), 77, np.float32))
    exact = np.random.default_rng(0).random((8, 8, 3), np.float32) * 255
    assert np.array_equal(load_square(exact, 8), exact)
    for bad, words in [(exact / 255, "multiply by 255"), (exact - 100, "raw"), (exact * np.nan, "raw")]:
        with pytest.raises(ImageError, match=words):
            load_square(bad, 8)
    with pytest.raises(ImageError, match="shape"):
        load_square(exact[..., 0], 8)


def test_keys_depend_on_bytes_only(tmp_path):
    a, b = picture(tmp_path / "a.png", 5), picture(tmp_path / "b.png", 5)
    assert picture_key(a) == picture_key(b) != picture_key(picture(tmp_path / "c.png", 6))
    x = np.zeros((2, 3, 3), np.uint8)
    assert picture_key(x) == picture_key(x.copy()) != picture_key(x.reshape(3, 2, 3))


def test_one_hot():
    assert one_hot([1, 0], 3).tolist() == [[0, 1, 0], [1, 0, 0]]
