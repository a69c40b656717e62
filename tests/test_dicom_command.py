"""`python -m helpers.dicom FOLDER` tells what is there without patient data."""

from __future__ import annotations

from helpers.dicom.__main__ import main
from helpers.phantom import chest_phantom, write_series


def test_it_lists_the_series_and_what_was_left_out(tmp_path, capsys):
    write_series(chest_phantom(shape=(6, 64, 64)), tmp_path, awkward=("localizer",), patient="SECRET^NAME")
    (tmp_path / "notes.txt").write_text("hello", "utf-8")
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "6" in said and "notes.txt" in said and "SECRET" not in said


def test_it_refuses_in_one_sentence(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert main([]) == 2
