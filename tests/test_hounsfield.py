"""Rescale, windows and padding against the standard's text and pydicom."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_rescale, apply_windowing

from helpers.hounsfield import TISSUES, WINDOWS, Padding, apply_preset, articles_hu, padding_mask, to_hu, window

HU = np.linspace(-1200, 3200, 4401).astype(np.int16)


def rescale(stored, slope, intercept):
    ds = Dataset()
    ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
    return apply_rescale(stored, ds)


@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (1, 0), (2, -2048), (1.0002441, -1024), (0.5, 10)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32])
def test_rescale_is_pydicoms(slope, intercept, dtype):
    stored = np.arange(0, 250, 3).astype(dtype)
    hu = to_hu(stored, slope, intercept)
    np.testing.assert_allclose(hu, rescale(stored, slope, intercept), rtol=1e-6)
    whole = float(slope).is_integer()
    assert hu.dtype == (np.int16 if whole else np.float32)


def test_nothing_wraps():
    assert to_hu(np.array([60000], np.uint16), 1, -1024)[0] == 58976  # int16 would give -6560
    assert to_hu(np.array([-32768], np.int16), 1, -1024)[0] == -33792
    assert to_hu(np.array([33000], np.uint16), 1, -1024).dtype == np.int16
    assert to_hu(np.array([255], np.uint8), 1, -1024)[0] == -769


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(40, 400), (-600, 1500), (40, 100), (0.5, 1.5), (2048, 4096)])
def test_window_is_pydicoms(function, centre, width):
    ds = Dataset()
    ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = centre, width, function
    ds.PhotometricInterpretation, ds.BitsStored, ds.PixelRepresentation = "MONOCHROME2", 16, 1
    ds.RescaleSlope, ds.RescaleIntercept = 1, 0
    theirs = (apply_windowing(HU.astype(np.float64), ds) + 32768) / 65535
    np.testing.assert_allclose(window(HU, centre, width, function), theirs, atol=1e-9)


def test_the_standards_own_example():
    # PS3.3 C.11.2.1.2.1: centre 2048 and width 4096 map 0 to black and 4095 to white.
    assert window(0, 2048, 4096) == 0 and window(4095, 2048, 4096) == 1
    assert window(1, 2048, 4096) > 0 and window(4094, 2048, 4096) < 1
    # Width 1 is a threshold: above centre - 0.5 is white.
    assert window(40, 40, 1) == 1 and window(39, 40, 1) == 0 and window(39.5, 40, 1) == 0
    assert window(40, 40, 100, "LINEAR") != window(40, 40, 100, "LINEAR_EXACT") == 0.5


@pytest.mark.parametrize(("width", "function"), [(0, "LINEAR"), (0.5, "LINEAR"), (0, "LINEAR_EXACT"), (-1, "SIGMOID")])
def test_forbidden_widths(width, function):
    with pytest.raises(ValueError, match="width"):
        window(HU, 0, width, function)


def test_unknown_names_say_what_there_is():
    with pytest.raises(ValueError, match="SIGMOID"):
        window(HU, 0, 1, "CUBIC")
    with pytest.raises(ValueError, match="lung, mediastinum, bone, brain, liver"):
        apply_preset(HU, "spleen")


def test_sigmoid_does_not_overflow():
    with np.errstate(all="raise", under="ignore"):
        values = window(np.array([-1e9, 0, 1e9]), 0, 1, "SIGMOID")
    np.testing.assert_allclose(values, [0, 0.5, 1])


def test_presets_show_their_tissues():
    names = {tissue.name: tissue for tissue in TISSUES}
    assert list(WINDOWS) == ["lung", "mediastinum", "bone", "brain", "liver"]
    for preset in WINDOWS.values():
        for name in preset.tissues.split(", "):
            tissue = names.get(name)
            if tissue is not None:
                low, high = window([tissue.low, tissue.high], preset.centre, preset.width)
                assert high > 0 and low < 1, (preset, tissue)
    assert apply_preset(0, "brain") != apply_preset(40, "brain")


def test_padding_by_value_and_by_range():
    stored = np.array([-2000, -1990, -1985, -1984, 0])
    assert padding_mask(stored, -2000).tolist() == [True, False, False, False, False]
    assert padding_mask(stored, -2000, -1985).tolist() == [True, True, True, False, False]
    assert padding_mask(stored, -1985, -2000).tolist() == [True, True, True, False, False]


def test_the_articles_recipe_is_right_for_one_intercept_only():
    stored = np.array([-2000, 24, 1024], np.int16)
    assert articles_hu(stored, 1, -1024).tolist() == [-1024, -1000, 0]  # air, by luck
    assert articles_hu(stored - 1024, 1, 0)[0] == -3024  # another filler stays as it is
    assert articles_hu(np.array([-2000], np.int16), 1, 0)[0] == 0  # with intercept 0 the outside becomes water


def test_padding_beyond_a_circle():
    hu = np.full((2, 9, 9), -1024)
    found = Padding((((-1024, -1024),), ()), beyond=5.0).mask(hu)
    assert found[0, 0, 0] and not found[0, 4, 4] and not found[1].any()
