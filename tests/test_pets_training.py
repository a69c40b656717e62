"""The training of the cats-or-dogs network: its data, and that a stopped run goes on as if nothing had happened."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers.pets_drawings import draw_pets

TRAINING = Path(__file__).resolve().parents[1] / "training"


@pytest.fixture
def drawn_zip(tmp_path: Path) -> Path:
    """80 drawings in the layout of pets_96px.zip; one has another size."""
    path = tmp_path / "drawn.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, (picture, dog) in enumerate(zip(*draw_pets(80, seed=4))):
            picture = picture[:, :64] if number == 0 else picture
            kind = ("cat", "dog")[dog]
            content = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
            archive.writestr(f"{kind}s/{kind}.{number}.png", content)
    return path


def test_zip_becomes_one_array_and_a_held_out_part(drawn_zip, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    import pets_data

    pictures, labels, names = pets_data.load_zip(drawn_zip, tmp_path)
    assert pictures.shape == (80, 96, 96, 3) and labels.sum() == 40
    assert all(("dogs/" in name) == (label == 1) for name, label in zip(names, labels))
    number = names.index("dogs/dog.7.png")
    np.testing.assert_array_equal(pictures[number], draw_pets(8, seed=4)[0][7])  # RGB, not BGR
    again, _, _ = pets_data.load_zip(drawn_zip, tmp_path)
    np.testing.assert_array_equal(again, pictures)
    train, held = pets_data.split(labels)
    assert len(train) == 64 and len(held) == 16 and not set(train) & set(held)
    assert labels[held].sum() == 8
    np.testing.assert_array_equal(held, pets_data.split(labels)[1])


def test_zip_of_something_else_is_refused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    import pets_data

    with zipfile.ZipFile(tmp_path / "birds.zip", "w") as archive:
        archive.writestr("birds/a.png", b"")
    with pytest.raises(ValueError, match="cats and dogs"):
        pets_data.load_zip(tmp_path / "birds.zip", tmp_path)


def train(drawn_zip: Path, out: Path, plan: str, *more: str | Path) -> list[dict]:
    """The training command on drawings, with settings that suit sixty-four of them; returns its log."""
    command = [sys.executable, TRAINING / "train_pets.py", "--zip", drawn_zip, "--out", out, "--plan", plan]
    settings = ["--batch", "16", "--meet", "1", "--decay-from", "2", "--widths", "16,16,32,32"]
    subprocess.run([*command, *settings, *more], check=True, timeout=300)
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("taught", [False, True], ids=["alone", "taught"])
def test_a_stopped_training_goes_on_as_if_unbroken(drawn_zip, tmp_path, taught):
    """Three epochs in one go and in two runs: equal logs and weights, by two workers. Needs the extra `training`."""
    torch = pytest.importorskip("torch")
    more = []
    if taught:
        train(drawn_zip, tmp_path / "teacher", "48:1", "--workers", "1", "--mix")
        more = ["--mix", "--teacher", tmp_path / "teacher" / "checkpoint.pt"]

    whole = train(drawn_zip, tmp_path / "whole", "48:3", *more)
    train(drawn_zip, tmp_path / "parts", "48:1", *more)
    parts = train(drawn_zip, tmp_path / "parts", "48:3", *more)
    assert [entry["epoch"] for entry in parts] == [1, 2, 3]
    for one, other in zip(whole, parts):
        assert one["loss"] == pytest.approx(other["loss"], abs=2e-3)
    states = [torch.load(tmp_path / out / "checkpoint.pt", weights_only=True)["net"] for out in ("whole", "parts")]
    for name, value in states[0].items():
        assert torch.allclose(value.float(), states[1][name].float(), atol=2e-2), name


def test_cutmix_shares_follow_the_areas(monkeypatch):
    """Cats are black, dogs white: after mixing, a picture's mean is its share of dog. Needs the extra `training`."""
    torch = pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(TRAINING))
    from pets_augment import cut_and_mix

    dog = torch.arange(64) % 2
    pictures = dog.float().view(-1, 1, 1, 1).expand(-1, 3, 48, 48)
    mixed, shares = cut_and_mix(pictures, torch.nn.functional.one_hot(dog, 2).float(), torch.Generator().manual_seed(0))
    assert torch.allclose(mixed.mean((1, 2, 3)), shares[:, 1], atol=1e-5)
    assert torch.allclose(shares.sum(1), torch.ones(64)) and 5 < ((shares > 0) & (shares < 1)).all(1).sum() < 40
