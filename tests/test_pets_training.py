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


@pytest.mark.slow
def test_a_stopped_training_goes_on_as_if_unbroken(drawn_zip, tmp_path):
    """Two epochs in one go and in two runs: equal logs and weights, by two workers. Needs the extra `training`."""
    torch = pytest.importorskip("torch")

    def run(out: str, plan: str) -> list[dict]:
        command = [
            sys.executable,
            TRAINING / "train_pets.py",
            "--zip",
            drawn_zip,
            "--out",
            tmp_path / out,
            "--plan",
            plan,
        ]
        subprocess.run([*command, "--batch", "16", "--meet", "1", "--decay-from", "2"], check=True, timeout=300)
        return [json.loads(line) for line in (tmp_path / out / "log.jsonl").read_text().splitlines()]

    whole = run("whole", "48:3")
    run("parts", "48:1")
    parts = run("parts", "48:3")
    assert [entry["epoch"] for entry in parts] == [1, 2, 3]
    for one, other in zip(whole, parts):
        assert one["loss"] == pytest.approx(other["loss"], abs=2e-3)
    states = [torch.load(tmp_path / out / "checkpoint.pt", weights_only=True)["net"] for out in ("whole", "parts")]
    for name, value in states[0].items():
        assert torch.allclose(value.float(), states[1][name].float(), atol=2e-2), name
