"""``python -m helpers.datasets`` lists the sets; ``python -m helpers.datasets NAME ...`` fetches them."""

from __future__ import annotations

import argparse
import os
import sys

from helpers.datasets import fetch, places
from helpers.datasets.fetching import fetch_quietly
from helpers.datasets.manifest import DataSet, DatasetError, cache_root, load, own_root, readable, shown


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status is 1 when a set could not be fetched."""
    parser = argparse.ArgumentParser(prog="python -m helpers.datasets", description="Optional data sets of the course.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="sets to fetch; without a name they are listed")
    parser.add_argument("--details", action="store_true", help="list addresses, checksums and citations as well")
    parser.add_argument("--quiet", action="store_true", help="try once, say one sentence, never fail")
    chosen = parser.parse_args(arguments)
    if chosen.quiet:
        print(*(fetch_quietly(name, 15) for name in chosen.names), sep="\n")
        return 0
    try:
        return _fetch_all(chosen.names) if chosen.names else _list(details=chosen.details)
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; nothing half fetched is left.", file=sys.stderr)
        return 130


def _fetch_all(names: list[str]) -> int:
    failed = 0
    for name in names:
        try:
            print(f"{name}: {shown(fetch(name))}")
        except DatasetError as error:
            failed += 1
            print(error, file=sys.stderr)
    return 1 if failed else 0


def _list(*, details: bool) -> int:
    rows = [("name", "size", "where", "licence", "what")]
    rows += [(each.name, _size(each), _where(each), _short(each.licence), each.title) for each in load().values()]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0])).rstrip())
    if os.environ.get("MEDIMG_DATA") and own_root() is None:
        print("\nMEDIMG_DATA names no folder and is not used.")
    print(f"\nFetched sets go to {shown(cache_root())}.", end=" ")
    print("To fetch one: make data SET=name   (or: python -m helpers.datasets name)")
    if details:
        print(*(_details(each) for each in load().values()), sep="\n")
    return 0


def _size(dataset: DataSet) -> str:
    return readable(dataset.bytes) if dataset.bytes else "-"


def _where(dataset: DataSet) -> str:
    """The place of the whole set; else where a damaged one lies; else a dash."""
    found = places(dataset.name)
    whole = [place for place, _, wrong in found if wrong is None]
    damaged = [f"damaged in {place}" for place, _, wrong in found if wrong not in (None, "missing")]
    return (whole or damaged or ["-"])[0]


def _short(licence: str) -> str:
    return licence.split(":")[0].split(" (")[0].split(";")[0]


def _details(dataset: DataSet) -> str:
    lines = [f"\n{dataset.name}", f"  for       {dataset.used_by}"]
    lines += [f"  address   {address.url}" for address in dataset.addresses]
    lines += [f"  checksum  {dataset.checksum}"] if dataset.checksum else []
    lines += [f"  licence   {dataset.licence}", f"  citation  {dataset.citation}", f"  confirmed {dataset.confirmed}"]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
