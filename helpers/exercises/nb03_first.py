"""Answers to the exercises of notebook 03, sections 3.1 to 3.8."""

from __future__ import annotations

from helpers.exercises import Answer

ANSWERS = {
    "3.1": Answer(
        value=(-9, 9),
        hint="Only 46 and 55 are multiplied by something other than 0; convolution exchanges their signs.",
    ),
    "3.2": Answer(
        value=(73_856, 224),
        hint="A filter has 3 x 3 x 64 weights and a bias; the height follows from i = 224, k = 3, p = s = 1.",
    ),
    "3.3": Answer(
        value=2.3, tolerance=0.31, hint="ReLU passes a gradient where the sum is above 2: scipy.stats.norm.sf(2)."
    ),
    "3.4": Answer(
        value=([[6, 7, 8], [6, 7, 8], [3, 3, 4]]),
        hint="With stride 1 the 2 x 2 window has 3 x 3 positions; neighbouring windows share two numbers.",
    ),
    "3.5": Answer(
        value=0.0,
        tolerance=1e-9,
        hint="The mean of a single number is the number itself, so x minus the mean is the same for every x.",
    ),
    "3.6": Answer(
        value="temperature 2",
        hint="Dividing all scores by the same T > 1 brings them closer together; which of the two flattens the bars?",
    ),
    "3.7": Answer(
        value=(0, 2), hint="Where the sum is negative ReLU passes nothing back; elsewhere the derivative along w is x."
    ),
    "3.8": Answer(
        value=(0.73, 0.89),
        tolerance=0.0101,
        hint="wilson(right, n) with n = 84 and 69 right; round both ends to two places.",
    ),
}
