"""The results of a cohort while it runs: Parquet parts, each whole or not there, so that a break costs little."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from helpers.cohort.row import COLUMNS

FLUSH_ROWS, FLUSH_SECONDS = 200, 2.0  # a part is written after so many rows, or so long after the last


def frame(rows: Iterable[dict]) -> pd.DataFrame:
    """Rows as a table with the columns and types of COLUMNS."""
    return pd.DataFrame(list(rows), columns=list(COLUMNS)).astype(COLUMNS)


class Results:
    """The rows of a run, in memory (out None) or also in a Parquet file that grows by parts.

    Beside `table.parquet` lie `table.parquet.parts/`, until the run is complete, and `table.parquet.key`, the secret
    that the ids were made with: whoever has it and the files can connect the two. Keep it to extend the table, never
    give it away with the table, delete it to cut the connection.
    """

    def __init__(self, out: str | Path | None, key: bytes | None, retry_errors: bool = False):
        self.out = None if out is None else Path(out).expanduser()
        self.fresh: list[dict] = []
        self.flushed = time.monotonic()
        self.before = self._load()
        if retry_errors:
            self.before = self.before[self.before["error"] == ""]
        self.key = key or self._key()

    @property
    def parts(self) -> Path:
        return self.out.with_name(f"{self.out.name}.parts")

    def known(self) -> dict[str, tuple[frozenset[str], bool]]:
        """place -> (ids that the table holds of it, whether these are all)."""
        groups = self.before.groupby("place")
        return {place: (frozenset(rows["id"]), len(rows) >= rows["of"].max()) for place, rows in groups}

    def add(self, rows: Iterable[dict]) -> None:
        """Take rows in, and write a part when it is time."""
        self.fresh += rows
        late = time.monotonic() - self.flushed > FLUSH_SECONDS
        if late or len(self.fresh) >= FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Put the rows in hand on disk as one more part (with a file), or on the pile."""
        if self.fresh:
            more = frame(self.fresh)
            if self.out is not None:
                self.parts.mkdir(parents=True, exist_ok=True)
                _write(more, self.parts / f"{time.time_ns():020d}-{os.getpid()}.parquet")
            self.before = more if self.before.empty else pd.concat([self.before, more], ignore_index=True)
            self.fresh = []
        self.flushed = time.monotonic()

    def finish(self) -> pd.DataFrame:
        """All parts become the one table."""
        self.flush()
        table = self.before.sort_values(["place", "id"], ignore_index=True)
        if self.out is not None:
            _write(table, self.out)
            shutil.rmtree(self.parts, ignore_errors=True)
        return table

    def _load(self) -> pd.DataFrame:
        if self.out is None:
            return frame([])
        self.out.parent.mkdir(parents=True, exist_ok=True)
        files = [self.out, *sorted(self.parts.glob("*.parquet"))]
        try:
            tables = [pd.read_parquet(path) for path in files if path.is_file()]
            together = pd.concat([frame([]), *tables], ignore_index=True)[list(COLUMNS)].astype(COLUMNS)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.out.name} is no table of this program: choose another name for the result."
            ) from error
        return together.drop_duplicates(["place", "id"], keep="last", ignore_index=True)

    def _key(self) -> bytes:
        if self.out is None:
            return secrets.token_bytes(32)
        path = self.out.with_name(f"{self.out.name}.key")
        if path.is_file():
            return bytes.fromhex(path.read_text().strip())
        if not self.before.empty:
            words = "the key its ids were made with is gone, so it cannot be extended: choose another name"
            raise ValueError(f"{self.out.name} exists, but {words}, or give key=.")
        key = secrets.token_bytes(32)
        path.write_text(key.hex())
        path.chmod(0o600)
        return key


def _write(table: pd.DataFrame, path: Path) -> None:
    """Write beside, then rename: a reader, or a run after a crash, never meets half a file."""
    part = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    table.to_parquet(part, index=False)
    part.replace(path)
