"""Synthetic DICOM series with one awkwardness each, and the answer that is right for it."""
