"""`python -m helpers.cohort FOLDER --out table.parquet`: the table of many series for people who open no notebook."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from helpers.cohort.run import Client, subfolders, summarise


def main(arguments: list[str] | None = None) -> int:
    """Parse, run, say in a line what came out. 0: a row for every series; 1: none; 2: usage; 130: interrupted."""
    parser = argparse.ArgumentParser(prog="python -m helpers.cohort", description=__doc__)
    parser.add_argument("folder", nargs="+", type=Path, help="folders of series; each sub-folder is a piece of work")
    parser.add_argument("--out", type=Path, required=True, help="the table, a Parquet file; run again to go on")
    parser.add_argument("--workers", type=int, help="worker processes here (default: one per core)")
    parser.add_argument("--scheduler", help="a Dask scheduler instead, for example tcp://head:8786")
    parser.add_argument("--whole", action="store_true", help="scan each folder in one piece: series span sub-folders")
    parser.add_argument("--no-lungs", action="store_true", help="leave the lung volumes out (the slow part)")
    parser.add_argument("--retry-errors", action="store_true", help="try series again that ended in an error")
    given = parser.parse_args(arguments)
    how = {"out": given.out, "lungs": not given.no_lungs, "retry_errors": given.retry_errors}
    bar = tqdm(unit=" series", file=sys.stderr, disable=None)

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    try:
        sources = [part for folder in given.folder for part in ([folder] if given.whole else subfolders(folder))]
        with bar:
            if given.scheduler:
                with Client(given.scheduler, set_as_default=False) as client:
                    table = summarise(sources, client, progress=show, **how)
            else:
                table = summarise(sources, workers=given.workers, processes=True, progress=show, **how)
    except KeyboardInterrupt:
        print(f"Interrupted. What was done is kept; the same command goes on with {given.out.name}.", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    errors = int((table["error"] != "").sum())
    print(f"{len(table)} series in {given.out.name}, {errors} of them with an error.")
    return 0 if len(table) else 1


if __name__ == "__main__":
    sys.exit(main())
