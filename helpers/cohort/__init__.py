"""Many series -> one table, on Dask: threads or processes here, a cluster by passing its client.

    table = summarise(["scans/a", "scans/b"], out="table.parquet")
    python -m helpers.cohort scans --out table.parquet

`row` says what one series is worth, `run` hands the work to Dask, `table` keeps the results while it runs.
"""

from helpers.cohort.row import COLUMNS
from helpers.cohort.run import subfolders, summarise

__all__ = ["COLUMNS", "subfolders", "summarise"]
