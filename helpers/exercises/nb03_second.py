"""Answers to the exercises of notebook 03, sections 3.9 to 3.13."""

from __future__ import annotations

from helpers.exercises import Answer

ANSWERS = {
    "3.9": Answer(
        40, "begin with 1; a convolution adds 2 steps, a pooling 1, and then doubles the step (1 pixel at first)."
    ),
    "3.10": Answer(97.1, "wilson(981, 1000)[0], times 100, rounded to one decimal.", tolerance=0.051),
    "3.11": Answer(
        15.4,
        "of 10,000 people 100 are ill, 90 found; 5 % of the 9,900 healthy get an alarm. Which share is right?",
        tolerance=0.06,
    ),
    "3.12": Answer(
        23_697,
        "a 3 x 3 convolution has 9 x channels in x channels out weights, batch normalisation four numbers per channel.",
    ),
    "3.13": Answer(
        80,
        "the finder hands on 90 %; the classifier keeps 8 of 9 of those: what share of all nodules is that?",
        tolerance=0.5,
    ),
}
