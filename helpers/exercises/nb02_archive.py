"""Answers of the sections of notebook 02 on archives and cohorts."""

from helpers.exercises import Answer

ANSWERS = {
    "2.12": Answer(
        value=604,
        hint="each slice is a request and a response; opening and closing the association are two messages each.",
    ),
    "2.13": Answer(
        value=11.6,
        tolerance=0.15,
        hint="one worker: 100,000 x 3 s; 8 workers at efficiency 0.9 divide that by 7.2; 3600 s are an hour.",
    ),
}
