"""Answers of notebook 01."""

from helpers.exercises import Answer

ANSWERS = {
    "1.0": Answer(
        value="BAA", hint="style transfer starts from two given pictures; the other two start from random numbers."
    ),
    "1.1": Answer(
        value=(20, 30),
        hint="10:50:2 takes every second of 40 rows; -30: takes the last 30 columns; 0 picks one channel.",
    ),
    "1.2": Answer(
        value=(2, 141.562),
        tolerance=0.001,
        hint="OpenCV's order is blue, green, red; the mean belongs to the colour, wherever that colour is kept.",
    ),
    "1.3": Answer(
        value=(9024, 3), hint="n numbers need n - 1 additions; the sum table combines four entries, whatever the box."
    ),
    "1.4": Answer(
        value=39,
        hint="a group must hold MORE than `neighbours` windows; try group_windows(windows, n) for n = 20, 21, ...",
    ),
    "1.5": Answer(
        value=(0.75, 0.6), tolerance=0.001, hint="precision divides by the boxes found, recall by the faces present."
    ),
    "1.6": Answer(
        value=8.09, tolerance=0.01, hint="255 steps share the whole range of the slice: (largest - smallest) / 255."
    ),
}
