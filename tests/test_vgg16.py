"""Vgg16 against keras.applications, with weight files in the public layout made here from random numbers."""

import json
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from helpers import vgg_weights
from helpers.folders import FolderError
from helpers.images import ImageError
from helpers.vgg16 import Vgg16, Vgg19
from helpers.vgg_network import VggPreprocessing
from helpers.vgg_plan import preprocess, weight_shapes
from helpers.vgg_weights import WeightsError

SIZES_AND_MODES = [((50, 70), "RGB"), ((224, 224), "RGBA"), ((300, 120), "P"), ((64, 64), "RGB")]


def write_official(path, name="VGG16", top=False, seed=1, **change):
    """A file in the layout of the public weight files: groups named by layer, weights named by attributes."""
    rng = np.random.default_rng(seed)
    shapes = weight_shapes(name, top) | change
    with h5py.File(path, "w") as file:
        names = [f"block{b}_pool" for b in range(1, 6)] + list(shapes)  # layers without weights are listed as well
        file.attrs["layer_names"] = [n.encode() for n in names]
        for layer in names:
            group = file.create_group(layer)
            both = shapes.get(layer, ())
            inner = [f"{layer}/{layer}_{kind}_1:0" for kind in "Wb"[: len(both)]]
            group.attrs["weight_names"] = [n.encode() for n in inner]
            for label, shape in zip(inner, both):
                scale = np.sqrt(6 / max(1, np.prod(shape[:-1]))) if len(shape) > 1 else 0.1
                scale *= 0.01 if layer == "predictions" else 1  # else one class gets all the probability
                group[label] = (scale * (rng.random(shape, np.float32) * 2 - 1)).astype(np.float32)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("vgg")


@pytest.fixture(scope="module")
def small_file(folder):
    return write_official(folder / "random_notop.h5")


@pytest.fixture(scope="module")
def vgg(small_file, folder):
    """One network without dense layers (59 MB) for all tests that do not need ImageNet's 1000 classes."""
    return Vgg16(small_file, cache=folder / "cache")


@pytest.fixture
def pets(tmp_path):
    """Two classes of pictures of several sizes and modes: reddish and bluish noise."""
    rng = np.random.default_rng(0)
    for name, tint in (("cats", (200, 60, 60)), ("dogs", (60, 60, 200))):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for k, (size, mode) in enumerate(
            [((50, 70), "RGB"), ((224, 224), "RGBA"), ((300, 120), "P"), ((64, 64), "RGB")]
        ):
            pixels = np.clip(rng.normal(tint, 30, (*size, 3)), 0, 255).astype(np.uint8)
            suffix = "png" if mode in ("RGBA", "P") else "jpg"
            Image.fromarray(pixels).convert(mode).save(tmp_path / "pets" / name / f"{name}{k}.{suffix}")
    return tmp_path / "pets"


@pytest.fixture(scope="module")
def noise():
    """Two pictures: grey noise, and noise that is mostly red."""
    pictures = np.random.default_rng(3).integers(0, 256, (2, 224, 224, 3)).astype(np.float32)
    pictures[1] *= (1, 0.3, 0.1)
    return pictures


def test_shapes_and_outputs_equal_keras_applications_without_top(vgg, small_file, noise):
    twin = keras.applications.VGG16(weights=str(small_file), include_top=False, pooling="avg")
    assert [w.shape for w in vgg.body.weights] == [w.shape for w in twin.weights]
    expected = twin.predict_on_batch(keras.applications.vgg16.preprocess_input(noise.copy()))
    found = vgg.features(noise).values
    assert found.shape == (2, 512)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert expected.std() > 0.01  # the comparison has something to compare


def test_shapes_and_outputs_equal_keras_applications_vgg19(folder, noise):
    path = write_official(folder / "random19_notop.h5", "VGG19")
    twin = keras.applications.VGG19(weights=str(path), include_top=False, pooling="avg")
    ours = Vgg19(path)
    path.unlink()
    named = [(w.path.split("/")[-2], w.shape) for w in twin.weights]
    assert [(w.path.split("/")[-2], w.shape) for w in ours.body.weights] == named
    expected = twin.predict_on_batch(keras.applications.vgg19.preprocess_input(noise.copy()))
    assert np.abs(ours.features(noise).values - expected).max() <= 1e-5 * np.abs(expected).max()
    assert expected.std() > 0.01


@pytest.mark.slow
def test_whole_network_equals_keras_applications(folder, noise):
    path = write_official(folder / "random_top.h5", top=True)
    ours = Vgg16(path)
    assert ours.model.count_params() == 138_357_544
    expected_shapes = [w.shape for w in ours.model.weights]
    table = ours.predict(noise[:1], details=True, top=5)
    ours.finetune(["cats", "dogs"])
    assert sum(int(np.prod(w.shape)) for w in ours.model.trainable_weights) == 8194
    assert len(ours.model.trainable_weights) == 2
    no_dense = Vgg16(path, top=False)  # the big file serves both
    assert no_dense.features(noise[:1]).values.shape == (1, 512)
    del ours, no_dense
    twin = keras.applications.VGG16(weights=None)
    twin.load_weights(str(path))  # Keras reads the same file by its own rules
    path.unlink()
    assert [w.shape for w in twin.weights] == expected_shapes
    expected = twin.predict_on_batch(keras.applications.vgg16.preprocess_input(noise[:1].copy()))
    assert np.abs(table.table - expected).max() <= 1e-5
    assert expected.max() < 0.5 and expected.std() > 1e-4  # the comparison has something to compare
    assert table.classes[0].tolist() == np.argsort(-expected[0])[:5].tolist()


def test_file_written_by_keras_3_is_read_too(folder, vgg, noise):
    twin = keras.applications.VGG16(weights=None, include_top=False, pooling="avg")
    path = folder / "keras3.weights.h5"
    twin.save_weights(path)
    expected = twin.predict_on_batch(keras.applications.vgg16.preprocess_input(noise.copy()))
    assert np.allclose(Vgg16(path).features(noise).values, expected, rtol=1e-5, atol=1e-6)


def test_preprocessing_layer_on_constant_pictures():
    layer = VggPreprocessing()
    for colour in ((255, 0, 0), (0, 255, 0), (10, 20, 30)):
        picture = np.full((1, 4, 4, 3), colour, np.float32)
        out = keras.ops.convert_to_numpy(layer(picture))
        assert np.allclose(out, preprocess(picture), atol=1e-5)
        assert np.allclose(out, keras.applications.vgg16.preprocess_input(picture.copy()), atol=1e-5)


def test_wrong_preprocessing_changes_the_features(vgg, noise):
    right, swapped = vgg.features(noise).values, vgg.features(noise[..., ::-1].copy()).values
    assert np.linalg.norm(right - swapped) > 0.02 * np.linalg.norm(right)
    assert "multiply by 255" in vgg.features(noise / 255).failed[0][1]
    assert "do not subtract" in vgg.features(preprocess(noise)).failed[1][1]


def test_checksum_refuses_a_wrong_file(small_file, folder, monkeypatch):
    with pytest.raises(WeightsError, match=r"random_notop.h5 has the MD5 .* expected"):
        vgg_weights.check_file(small_file, "VGG16", "0" * 32)
    assert vgg_weights.check_file(small_file, "VGG16", vgg_weights.digest(small_file, "sha256")).startswith("own")
    monkeypatch.setenv("KERAS_HOME", str(folder / "keras"))
    cached = folder / "keras" / "models" / vgg_weights.OFFICIAL["VGG16", False].file
    cached.parent.mkdir(parents=True)
    cached.write_bytes(small_file.read_bytes())
    with pytest.raises(WeightsError, match="Fetch it again"):
        Vgg16("imagenet")
    cached.unlink()
    with pytest.raises(WeightsError, match=r"58.9 MB.*https://.*~/.keras/models"):
        Vgg16("imagenet")


def test_sums_and_addresses_equal_those_of_keras():
    for name in ("vgg16", "vgg19"):
        source = Path(keras.__file__).parent.joinpath("src", "applications", f"{name}.py").read_text(encoding="utf-8")
        for top in (True, False):
            entry = vgg_weights.OFFICIAL[name.upper(), top]
            assert entry.md5 in source and entry.file in source
            assert entry.url.endswith(f"keras-applications/{name}/{entry.file}")


def test_foreign_and_damaged_files_end_in_a_sentence(folder, small_file):
    with pytest.raises(WeightsError, match="another network"):
        Vgg19(small_file)
    wrong = write_official(folder / "wrong_shape.h5", block3_conv1=((3, 3, 128, 200), (200,)))
    with pytest.raises(WeightsError, match="block3_conv1"):
        Vgg16(wrong)
    half = folder / "half.h5"
    half.write_bytes(small_file.read_bytes()[:1_000_000])
    with pytest.raises(WeightsError, match=r"half.h5"):
        Vgg16(half)
    empty = folder / "empty.h5"
    h5py.File(empty, "w").close()
    with pytest.raises(WeightsError, match="without Keras weights"):
        Vgg16(empty)
    text = folder / "page.h5"
    text.write_text("<html>not found</html>")
    with pytest.raises(WeightsError, match=r"no readable HDF5 file"):
        Vgg16(text)
    with pytest.raises(WeightsError, match="no weight file"):
        Vgg16(folder / "absent.h5")
    with pytest.raises(WeightsError, match="no dense layers"):
        Vgg16(small_file, top=True)


def test_class_names_from_keras_index_or_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    names, note = vgg_weights.imagenet_names()
    assert names[285] == "class 285" and "not on this machine" in note
    (tmp_path / "models").mkdir()
    index = {str(k): [f"n{k:08d}", f"word_{k}"] for k in range(1000)}
    (tmp_path / "models" / vgg_weights.CLASS_INDEX).write_text(json.dumps(index))
    assert vgg_weights.imagenet_names()[0][285] == "word 285"
    (tmp_path / "models" / vgg_weights.CLASS_INDEX).write_text("{")
    names, note = vgg_weights.imagenet_names()
    assert names[0] == "class 0" and "damaged" in note


def test_predict_before_finetune_says_what_to_do(vgg, noise):
    fresh = Vgg16.__new__(Vgg16)
    fresh.__dict__.update(vgg.__dict__, head=None)
    with pytest.raises(WeightsError, match="finetune"):
        fresh.predict(noise)


def test_finetune_fit_predict_test_on_folders(vgg, pets):
    batches = vgg.get_batches(pets, batch_size=4)
    vgg.finetune(batches)
    assert vgg.class_names == ["cats", "dogs"]
    assert sum(int(np.prod(w.shape)) for w in vgg.model.trainable_weights) == 512 * 2 + 2
    frozen = [w.numpy().copy() for w in vgg.body.weights[:2]]
    vgg.compile(lr=0.05)
    history = vgg.fit(batches, vgg.get_batches(pets, shuffle=False), epochs=12, mirror=True)
    assert sorted(history) == ["accuracy", "loss", "val_accuracy", "val_loss"] and len(history["loss"]) == 12
    assert history["val_accuracy"][-1] == 1.0 and history["loss"][-1] < history["loss"][0]
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(frozen, vgg.body.weights))
    result = vgg.test(pets)
    assert [f.name for f in result.files] == sorted(f.name for f in result.files)
    assert result.names == ["cats"] * 4 + ["dogs"] * 4
    found = vgg.predict([pets / "dogs" / "dogs0.jpg", pets / "cats" / "cats2.png"], top=2)
    assert found.names == [["dogs", "cats"], ["cats", "dogs"]]
    assert np.allclose(found.probabilities.sum(1), 1, atol=1e-5)


def test_whole_model_agrees_with_cached_features_and_head(vgg, noise):
    vgg.finetune(["a", "b", "c"])
    direct = keras.ops.convert_to_numpy(vgg.model(noise, training=False))
    assert np.allclose(vgg.predict(noise, details=True).table, direct, atol=1e-5)


def test_fit_data_from_arrays_with_one_hot_and_numbers(vgg, noise):
    vgg.finetune(["first", "second"])
    vgg.compile(0.01)
    history = vgg.fit_data(noise, np.eye(2), noise, np.array([0, 1]), epochs=25)
    assert history["val_accuracy"][-1] == 1.0
    with pytest.raises(ValueError, match="2 pictures of 2 classes"):
        vgg.fit_data(noise, np.eye(3))
    with pytest.raises(ValueError, match="run from 0 to 1"):
        vgg.fit_data(noise, np.array([0, 5]))


def test_features_are_computed_once_and_survive_in_the_folder(vgg, small_file, folder, pets):
    files = sorted(pets.rglob("*.*"))
    copy = pets / "cats" / "same_bytes_other_name.jpg"
    copy.write_bytes(files[0].read_bytes())
    first = vgg.features([*files, copy])
    assert first.computed <= len(files) and np.array_equal(first.values[0], first.values[-1])
    assert vgg.features(files).computed == 0
    calls = []
    again = Vgg16(small_file, cache=folder / "cache")
    again._forward = lambda pictures: calls.append(len(pictures))
    assert np.array_equal(again.features(files).values, first.values[:-1]) and not calls
    files[0].write_bytes(files[1].read_bytes())  # another picture under an old name has another key
    assert np.array_equal(again.features(files[:1]).values[0], first.values[1])


def test_cache_of_other_weights_is_not_used(vgg, folder, noise):
    vgg.features(noise)
    other = Vgg16(write_official(folder / "other.h5", seed=9), cache=folder / "cache")
    assert other.features(noise).computed == 2


def test_damaged_cache_file_is_computed_anew(small_file, tmp_path, noise):
    network = Vgg16(small_file, cache=tmp_path)
    right = network.features(noise).values
    for number, file in enumerate(sorted(tmp_path.rglob("*.npy"))):
        file.write_bytes(file.read_bytes()[: 200 if number else 0])
    again = Vgg16(small_file, cache=tmp_path)
    found = again.features(noise)
    assert found.computed == 2 and np.allclose(found.values, right)
    assert not list(tmp_path.rglob("*.part"))


def test_mirrored_features_are_those_of_the_mirror_image_and_rows_keep_their_order(vgg):
    pictures = np.random.default_rng(8).integers(0, 256, (5, 224, 224, 3)).astype(np.float32)
    late = vgg.features(pictures[[3, 4]]).values  # these two come from the cache below, before the others are computed
    plain, mirrored = vgg.features(pictures), vgg.features(pictures, mirror=True)
    assert mirrored.computed == 5 and plain.kept.tolist() == [0, 1, 2, 3, 4]
    assert np.array_equal(plain.values[[3, 4]], late)
    turned = vgg.features(np.ascontiguousarray(pictures[:, :, ::-1])).values
    assert np.allclose(mirrored.values, turned, rtol=1e-4, atol=1e-5)
    assert not np.allclose(mirrored.values, plain.values, rtol=1e-3)


def test_a_class_of_which_no_picture_can_be_read_is_not_learnt_without(vgg, pets):
    for file in (pets / "dogs").iterdir():
        file.write_bytes(file.read_bytes()[:300])
    batches = vgg.get_batches(pets)
    vgg.finetune(batches)
    with pytest.raises(FolderError, match="class folder dogs could be read"):
        vgg.fit(batches)


def test_progress_counts_pictures(vgg, pets):
    seen = []
    vgg.features(sorted(pets.rglob("*.*")), batch_size=3, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (8, 8) and seen == sorted(seen)


def test_save_and_load_head_with_names(vgg, pets, tmp_path, noise):
    vgg.finetune(["cats", "Hündchen"])
    before = vgg.predict(noise, details=True).table
    path = vgg.save(tmp_path / "deep" / "head")
    assert path.suffix == ".npz" and [p.name for p in path.parent.iterdir()] == ["head.npz"]
    vgg.finetune(["x", "y", "z"])
    vgg.load(path)
    assert vgg.class_names == ["cats", "Hündchen"]
    assert np.array_equal(vgg.predict(noise, details=True).table, before)
    (tmp_path / "half.npz").write_bytes(path.read_bytes()[:500])
    for bad in ("half.npz", "absent.npz"):
        with pytest.raises(WeightsError, match=bad):
            vgg.load(tmp_path / bad)
    content = dict(np.load(path))
    np.savez(tmp_path / "foreign.npz", **(content | {"body": np.array("VGG19-mean-1")}))
    with pytest.raises(WeightsError, match="VGG19"):
        vgg.load(tmp_path / "foreign.npz")
    assert vgg.class_names == ["cats", "Hündchen"]  # a refused file changes nothing


def test_a_save_that_fails_leaves_the_old_file(vgg, tmp_path, monkeypatch):
    vgg.finetune(["a", "b"])
    path = vgg.save(tmp_path / "head.npz")
    before = path.read_bytes()
    monkeypatch.setattr(np, "savez", lambda stream, **_: (stream.write(b"half"), 1 / 0))
    with pytest.raises(ZeroDivisionError):
        vgg.save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_unreadable_pictures_are_named_skipped_and_counted(vgg, pets):
    truncated = pets / "cats" / "cut.jpg"
    truncated.write_bytes((pets / "cats" / "cats0.jpg").read_bytes()[:700])
    (pets / "dogs" / "empty.jpg").touch()
    (pets / "dogs" / "notes.txt").write_text("not a picture")
    batches = vgg.get_batches(pets, shuffle=False)
    vgg.finetune(batches)
    vgg.fit(batches)
    reasons = {entry.file: entry.reason for entry in batches.skipped}
    assert set(reasons) == {"cats/cut.jpg", "dogs/empty.jpg", "dogs/notes.txt"}
    assert "3 files skipped" in str(batches)
    assert {s.file.split("/")[-1] for s in vgg.test(pets).skipped} >= {"cut.jpg", "empty.jpg"}
    with pytest.raises(ImageError, match=r"cut.jpg"):
        vgg.predict([truncated])


def test_classes_that_do_not_fit_are_refused(vgg, pets):
    vgg.finetune(["birds", "fish"])
    with pytest.raises(FolderError, match="birds, fish"):
        vgg.fit(vgg.get_batches(pets))
    with pytest.raises(FolderError, match="at least two"):
        vgg.finetune(["cats"])


def test_bfloat16_stays_close_to_float32(small_file, vgg, noise):
    half = Vgg16(small_file, precision="bfloat16")
    exact, found = vgg.features(noise).values, half.features(noise).values
    assert found.dtype == np.float32 and half.body.layers[2].compute_dtype == "bfloat16"
    assert np.linalg.norm(found - exact) < 0.03 * np.linalg.norm(exact)
    with pytest.raises(ValueError, match="auto"):
        Vgg16(small_file, precision="int8")


def test_random_network_is_repeatable_and_says_what_it_is(noise):
    first, second = Vgg16(None, top=False, seed=4), Vgg16(None, top=False, seed=4)
    assert first.weights_source == "random numbers"
    assert np.array_equal(first.features(noise[:1]).values, second.features(noise[:1]).values)
    assert not np.array_equal(
        first.features(noise[:1]).values, Vgg16(None, top=False, seed=5).features(noise[:1]).values
    )
