"""Helpers of the course "Medical imaging from pixels to networks".

Each module answers one question and can be used without the notebooks; see README.md for the list.
Nothing heavy is imported here, so that `import helpers.images` stays fast.
"""

__version__ = "1.0.0"
