"""A chest with known answer: the phantom of notebook 02, as arrays and as awkward DICOM files."""

from helpers.phantom.chest import FILLER, Nodule, Phantom, chest_phantom
from helpers.phantom.organs import LABELS, TISSUES
from helpers.phantom.series import AWKWARD, write_series

__all__ = ["AWKWARD", "FILLER", "LABELS", "TISSUES", "Nodule", "Phantom", "chest_phantom", "write_series"]
