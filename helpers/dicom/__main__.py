"""`python -m helpers.dicom FOLDER`: which series a folder or zip holds, from headers only and without patient data."""

from __future__ import annotations

import sys

from helpers.dicom import scan_folder
from helpers.findings import DicomSeriesError


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(f"{__doc__}\n\nGive one folder, zip archive or file.", file=sys.stderr)
        return 2
    try:
        series = scan_folder(arguments[0])
    except (DicomSeriesError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(series)
    for info in series:
        for finding in info.findings:
            print(f"[{series.index(info)}] {finding.kind}: {finding.message}")
    for name, reason in series.skipped:
        print(f"left out: {name}: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
