"""The figures of the course. They know arrays, not files, and each is shown with alt text."""
