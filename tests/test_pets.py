"""The small cats-or-dogs network: its weights, its answers, its refusals, folders good and bad."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from helpers import pets, pets_network
from helpers.folders import FolderError
from helpers.images import ImageError
from helpers.pets import ask, ask_folder, dog_probability, extremes, neither
from helpers.pets_drawings import draw_pets, write_drawn_folder
from helpers.pets_network import WEIGHTS, WEIGHTS_SHA256, WeightsError, kernel_shapes, read_weights


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    return draw_pets(120, seed=5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_drawn_folder(tmp_path / "pets", 8, seed=2)


# --- weights


def test_weights_are_the_committed_ones_small_and_described():
    content = WEIGHTS.read_bytes()
    assert hashlib.sha256(content).hexdigest() == WEIGHTS_SHA256
    assert len(content) <= 8e6
    card = WEIGHTS.with_suffix(".md").read_text(encoding="utf-8")
    assert WEIGHTS_SHA256 in card
    assert re.search(r"\d\d\.\d+ % \(95 % interval \d\d", card), "the card gives the accuracy with its interval"


def test_network_has_the_layers_of_the_weight_table():
    network = pets_network.build_network()
    have = {f"{layer.name}/{v.name}": tuple(v.shape) for layer in network.layers for v in layer.weights}
    assert have == kernel_shapes()


def test_first_convolution_is_padded_by_one_on_each_side_as_in_training():
    """Keras' "same" must mean torch's padding=1 here: checked against a sum by hand at a corner and inside."""
    shipped = pets_network.shipped().kernels
    picture = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.float32)
    import keras

    network = pets_network.load_network()
    maps = keras.Model(network.inputs, network.get_layer("stem").output)([picture[None]])
    maps = keras.ops.convert_to_numpy(maps)[0]
    padded = np.pad((picture - 127.5) / 64, ((1, 1), (1, 1), (0, 0)))
    for row, column in ((0, 0), (47, 47), (10, 31)):
        patch = padded[2 * row : 2 * row + 4, 2 * column : 2 * column + 4]
        wanted = np.maximum(np.tensordot(patch, shipped["stem/kernel"], 3) + shipped["stem/bias"], 0)
        np.testing.assert_allclose(maps[row, column], wanted, atol=1e-4)


def saved(path: Path, **changes) -> Path:
    with np.load(WEIGHTS) as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez(path, **{name: a for name, a in (arrays | changes).items() if a is not None})
    return path


def test_wrong_weight_files_are_refused_with_a_sentence(tmp_path):
    content = WEIGHTS.read_bytes()
    half = tmp_path / "half.npz"
    half.write_bytes(content[: len(content) // 2])
    text = tmp_path / "text.npz"
    text.write_text("no arrays")
    bad = saved(tmp_path / "nan.npz", **{"head/bias": np.array([np.nan, 0], np.float16)})
    cases = {
        tmp_path / "absent.npz": "missing",
        half: "damaged",
        text: "no file of arrays",
        bad: "no numbers",
        saved(tmp_path / "other.npz", **{"stem/kernel": np.zeros((3, 3, 3, 64))}): "another network",
        saved(tmp_path / "lacks.npz", **{"block2_conv1/bias": None}): "another network",
        saved(tmp_path / "cold.npz", temperature=None): "incomplete",
    }
    for path, words in cases.items():
        with pytest.raises(WeightsError, match=words):
            read_weights(path, sha256=None)
    with pytest.raises(WeightsError, match="damaged or not the file"):
        read_weights(saved(tmp_path / "same.npz"))  # right numbers, other bytes


# --- answers


def test_answers_are_finite_probabilities_in_input_order(drawn):
    pictures = list(drawn[0][:70])  # more than two batches
    order = np.random.default_rng(1).permutation(70)
    straight, shuffled = dog_probability(pictures), dog_probability([pictures[i] for i in order])
    assert straight.shape == (70,) and straight.dtype.kind == "f"
    assert np.isfinite(straight).all() and (straight >= 0).all() and (straight <= 1).all()
    assert np.ptp(straight) > 0.01, "all answers equal: order would not show"
    np.testing.assert_allclose(shuffled, straight[order], atol=1e-4)
    np.testing.assert_allclose(dog_probability(pictures[33]), straight[33:34], atol=1e-4)


def test_log_odds_are_divided_by_the_temperature_of_the_weights(drawn, monkeypatch):
    stored = pets_network.shipped()
    before = dog_probability(drawn[0][:16])
    monkeypatch.setattr(pets, "shipped", lambda: stored._replace(temperature=2 * stored.temperature))
    after = dog_probability(drawn[0][:16])
    odds, halved = (np.log(p / (1 - p)) for p in (before, after))
    assert np.allclose(halved, odds / 2, rtol=1e-4, atol=1e-6) and np.abs(odds).max() > 1
    logits = pets_network.forward()(drawn[0][:16])[2], pets_network.forward()(drawn[0][:16, :, ::-1].copy())[2]
    means = np.mean(logits, axis=0)
    assert np.allclose(odds, (means[:, 1] - means[:, 0]) / stored.temperature, rtol=1e-3, atol=1e-4)


def test_mirror_image_gets_the_same_answer():
    chelsea = skimage.data.chelsea()
    there, back = ask([chelsea]), ask([chelsea[:, ::-1]])
    np.testing.assert_allclose(there.dog, back.dog, atol=1e-4)
    np.testing.assert_allclose(there.features, back.features, rtol=1e-3, atol=1e-3)  # the answer alone is too sure


def test_extreme_pictures_get_finite_answers():
    black, white = np.zeros((5, 900, 3), np.uint8), np.full((300, 1, 3), 255, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    answer = ask([black, white, noise])
    assert np.isfinite(answer.dog).all() and np.isfinite(answer.strangeness).all()


def test_file_array_and_float_array_agree(tmp_path):
    chelsea = skimage.data.chelsea()
    Image.fromarray(chelsea).save(tmp_path / "chelsea.png")
    answers = dog_probability([tmp_path / "chelsea.png", str(tmp_path / "chelsea.png"), chelsea, chelsea.astype(float)])
    np.testing.assert_allclose(answers, answers[0], atol=1e-6)
    assert dog_probability(tmp_path / "chelsea.png").shape == (1,)
    assert dog_probability(np.stack([chelsea, chelsea])).shape == (2,)


def test_the_whole_picture_goes_in_with_its_colours():
    wide = np.zeros((200, 1000, 3), np.uint8)
    wide[:, :500, 0], wide[:, 500:, 2] = 255, 255
    small = pets.squash(wide)
    assert small.shape == (96, 96, 3) and small.dtype == np.uint8
    assert (small[:, :47] == [255, 0, 0]).all() and (small[:, 49:] == [0, 0, 255]).all()
    checks = (np.indices((96 * 5, 96 * 5)).sum(0) % 2 * 200).astype(np.uint8)
    np.testing.assert_allclose(pets.squash(np.stack([checks] * 3, 2)), 100, atol=5)  # areas averaged, no stray pixels


def test_no_pictures_give_no_answers():
    assert dog_probability([]).shape == (0,)
    assert neither([]).shape == (0,)


def test_scikit_image_cat_is_a_cat_and_a_pet():
    assert dog_probability(skimage.data.chelsea())[0] < 0.2
    assert not neither(skimage.data.chelsea())[0]


def test_cup_coins_and_textures_are_neither():
    others = [
        skimage.data.coffee(),
        *(np.stack([getattr(skimage.data, n)()] * 3, 2) for n in ("coins", "page", "grass")),
    ]
    assert neither(others).all()


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((10, 10), np.uint8), "shape"),
        (np.zeros((10, 10, 4), np.uint8), "shape"),
        (np.zeros((0, 10, 3), np.uint8), "shape"),
        (np.full((10, 10, 3), 0.5), "multiply by 255"),
        (np.full((10, 10, 3), -1.0), "0 to 255"),
        (np.full((10, 10, 3), np.nan), "0 to 255"),
        (np.full((10, 10, 3), 4000, np.uint16), "0 to 255"),
    ],
)
def test_arrays_that_are_no_rgb_pictures_are_refused(picture, words):
    with pytest.raises(ImageError, match=words):
        dog_probability([picture])


def test_an_unreadable_file_is_named(tmp_path, drawn):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    for bad in (broken, tmp_path / "absent.jpg", tmp_path):
        with pytest.raises(ImageError, match=re.escape(bad.name)):
            dog_probability([drawn[0][0], bad])


def test_pictures_are_streamed(monkeypatch):
    """Ten thousand pictures: never more than three batches decoded but not yet answered."""
    done = {"read": 0, "answered": 0, "most": 0}

    def squash(picture):
        done["read"] += 1
        done["most"] = max(done["most"], done["read"] - done["answered"])
        return np.zeros((96, 96, 3), np.uint8)

    monkeypatch.setattr(pets, "squash", squash)
    for batch in pets.batches([Path("a.png")] * 10_000):
        done["answered"] += len(batch)
    assert done["answered"] == 10_000
    assert done["most"] <= 3 * pets.BATCH


def test_pictures_left_out_do_not_shift_the_others(monkeypatch):
    def squash(picture):
        if picture.stem in ("40", "41"):
            raise ImageError("broken")
        return np.full((96, 96, 3), int(picture.stem), np.uint8)

    monkeypatch.setattr(pets, "squash", squash)
    skipped, kept = [], []
    values = [
        int(p[0, 0, 0]) for batch in pets.batches([Path(f"{i}.png") for i in range(70)], skipped, kept) for p in batch
    ]
    assert kept == values == [i for i in range(70) if i not in (40, 41)]
    assert [s.file for s in skipped] == ["40.png", "41.png"]


# --- folders


def test_folder_names_skips_and_counts_what_it_cannot_read(folder):
    good = (folder / "cats" / "cat.0.png").read_bytes()
    (folder / "cats" / "cut.png").write_bytes(good[: len(good) // 2])
    (folder / "dogs" / "empty.jpg").write_bytes(b"")
    (folder / "dogs" / "notes.txt").write_text("x")
    Image.fromarray(np.zeros((40, 30), np.uint8)).save(folder / "dogs" / "grey.png")
    Image.fromarray(np.zeros((40, 30, 4), np.uint8)).save(folder / "dogs" / "rgba.png")
    answer = ask_folder(folder)
    assert len(answer.files) == len(answer.dog) == len(answer.labels) == 10
    assert {Path(s.file).name for s in answer.skipped} == {"cut.png", "empty.jpg", "notes.txt"}
    assert "10 pictures (4 cats, 6 dogs); 3 files skipped" in str(answer)
    assert [label == 1 for label in answer.labels] == [file.parent.name == "dogs" for file in answer.files]
    np.testing.assert_allclose(answer.dog, dog_probability(answer.files), atol=1e-4)


def test_a_class_of_which_nothing_can_be_read_is_no_result(folder):
    for file in (folder / "dogs").iterdir():
        file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(FolderError, match="class folder dogs could be read"):
        ask_folder(folder)


def test_class_folders_in_any_case_and_order(folder):
    (folder / "cats").rename(folder / "x")
    (folder / "x").rename(folder / "Cats_2024")
    (folder / "dogs").rename(folder / "DOG")
    answer = ask_folder(folder)
    assert [file.parent.name == "DOG" for file in answer.files] == [label == 1 for label in answer.labels]


def test_unlabelled_folder(folder):
    answer = ask_folder(folder / "cats", labelled=False)
    assert (answer.labels == -1).all() and "4 pictures without classes" in str(answer)


def test_wrong_folders_end_in_a_sentence(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    one = write_drawn_folder(tmp_path / "one", 4)
    for file in (one / "dogs").iterdir():
        file.unlink()
    (one / "dogs").rmdir()
    (tmp_path / "all" / "train").mkdir(parents=True)
    (tmp_path / "all" / "validation").mkdir()
    write_drawn_folder(tmp_path / "all" / "train", 2)
    write_drawn_folder(tmp_path / "all" / "validation", 2)
    birds = write_drawn_folder(tmp_path / "birds", 4)
    (birds / "dogs").rename(birds / "owls")
    hollow = write_drawn_folder(tmp_path / "hollow", 4)
    for file in (hollow / "dogs").iterdir():
        file.unlink()
    cases = {
        tmp_path / "absent": "does not exist",
        tmp_path / "empty": "no class folders",
        one: "cats only",
        tmp_path / "all": "all/train",
        birds: "cats and dogs only",
        hollow: "hollow/dogs",
    }
    for path, words in cases.items():
        with pytest.raises(FolderError, match=words):
            ask_folder(path)


def test_extremes_are_sorted_and_disjoint():
    dog = np.array([0.9, 0.2, 0.55, 0.97, 0.1, 0.45])
    labels = np.array([1, 0, 0, 0, 1, 1])
    found = extremes(dog, labels, 2)
    assert found.right.tolist() == [0, 1]
    assert found.wrong.tolist() == [3, 4]
    assert sorted(found.uncertain.tolist()) == [2, 5]
    assert extremes(np.array([0.9]), np.array([1])).wrong.size == 0


# --- drawings


def test_drawings_are_reproducible_different_and_both_kinds(drawn):
    pictures, labels = drawn
    again, _ = draw_pets(6, seed=5)
    assert pictures.shape == (120, 96, 96, 3) and pictures.dtype == np.uint8
    np.testing.assert_array_equal(again, pictures[:6])
    assert labels.sum() == 60
    assert len({p.tobytes() for p in pictures}) == 120
    assert draw_pets(2, seed=1, size=48)[0].shape == (2, 48, 48, 3)
    with pytest.raises(ValueError, match="at least 1"):
        draw_pets(0)


def test_colour_alone_does_not_tell_the_drawings_apart(drawn):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    pictures, labels = drawn
    colour = pictures.reshape(len(pictures), -1, 3).mean(1)
    assert cross_val_score(LogisticRegression(), colour, labels, cv=5).mean() < 0.7


# --- the shared photographs


@pytest.mark.real_data
def test_accuracy_and_calibration_on_the_shared_validation_photographs(medimg_data):
    """At least 97 % of 1000 photographs never used for a choice, and probabilities that mean what they say."""
    answer = ask_folder(medimg_data / "pets" / "validation")
    assert len(answer.files) == 1000 and not answer.skipped
    assert answer.accuracy >= 0.97
    confidence, right = np.maximum(answer.dog, 1 - answer.dog), (answer.dog > 0.5) == (answer.labels == 1)
    place = np.minimum((confidence * 10).astype(int), 9)
    error = sum(abs(right[place == b].sum() - confidence[place == b].sum()) for b in range(10)) / len(right)
    assert error <= 0.03
    assert answer.neither.mean() <= 0.08


@pytest.mark.real_data
def test_network_beats_the_2013_reference_in_either_class(medimg_data):
    answer = ask_folder(medimg_data / "pets" / "train")
    right = (answer.dog > 0.5) == (answer.labels == 1)
    assert min(right[answer.labels == c].mean() for c in (0, 1)) > 0.95
