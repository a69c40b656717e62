"""Answers to the exercises of notebook 02."""

from __future__ import annotations

import math

from helpers.exercises import Answer

ANSWERS = {
    "2.0": Answer(
        (0, 14.137), "Water is 0 HU by definition; the volume of a ball is pi/6 x d³, and 1 ml is 1000 mm³.", 0.1
    ),
    "2.1": Answer(
        ("patient", "study", "series", "instance"),
        "Who was it? When was it? With which settings? Which single picture? One word for each.",
    ),
    "2.2": Answer(39_206 - 32_768, "All bytes of the file minus the 128 x 128 pixels of 2 bytes."),
    "2.3": Answer("LIDC-IDRI", "It must allow commercial use and passing on: look for CC BY without further letters."),
    "2.4": Answer(5 * math.cos(math.radians(15)), "Project the step (0, 0, 5) on the normal: cosine.", 0.01),
    "2.5": Answer((12.5, 32.0), "Rows times the spacing of columns, columns times the spacing of rows.", 0.01),
    "2.6": Answer((1076, 50), "Stored value times slope plus intercept, each file with its own.", 0.01),
    "2.7": Answer((-2000, True), "Unsigned 16 bits count to 65535; and a range limit makes a range.", 0),
    "2.8": Answer(-95, "Restrict centres to -200 .. 0 and take the bin with the highest count.", 4),
    "2.9": Answer((-100, 200), "Half-way between black and white lies the centre; from black to white is the width."),
    "2.10": Answer(
        (1.36, 0),
        "100 x (lung in the truth and not below -400) / (lung in the truth); where does the windpipe end?",
        0.1,
    ),
    "2.11": Answer(
        (62, -14, -38, True),
        "Change the sign of x and y; in DICOM, x grows to the patient's left. Give four values in one row.",
    ),
}
