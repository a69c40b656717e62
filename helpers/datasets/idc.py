"""Get one CT series from the NCI Imaging Data Commons through its package idc-index."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import requests

from helpers.datasets.archives import move_in_place
from helpers.datasets.downloads import TIMEOUT, clear_stale
from helpers.datasets.manifest import DataSet, DatasetError
from helpers.datasets.presence import fault

REMEDY = "pip install 'medimg-course[idc]'"
#: The public bucket that idc-index copies from.
BUCKET = "https://idc-open-data.s3.amazonaws.com"


def fetch_series(dataset: DataSet, folder: Path, *, progress: bool = True) -> None:
    """Put the series into `folder`, which appears only when all its slices are there.

    Raises DatasetError when idc-index is missing or does not bring the slices that the manifest names.
    """
    client = _client()
    _reach()
    clear_stale(folder.parent)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-", suffix=".part"))
    try:
        _download(client, dataset, temporary, progress)
        wrong = fault(dataset, temporary)
        if wrong:
            raise DatasetError(f"The Imaging Data Commons did not bring the series {dataset.name}: {wrong}.")
        temporary.chmod(0o755)
        move_in_place(temporary, folder, lambda: fault(dataset, folder) is None)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _client():
    try:
        from idc_index.index import IDCClient
    except ImportError as error:
        raise DatasetError(f"This set comes through the package idc-index, which is not installed: {REMEDY}") from error
    try:
        return IDCClient()
    except Exception as error:
        raise DatasetError(f"The package idc-index does not start ({_short(error)}); to update it: {REMEDY}") from error


def _reach(host: str = BUCKET) -> None:
    """Without a network idc-index tries for many minutes before it gives up: ask once, before it starts."""
    try:
        requests.head(host, timeout=TIMEOUT)
    except requests.RequestException as error:
        raise DatasetError(f"{urlsplit(host).hostname}, where the series lies, does not answer.") from error


def _download(client, dataset: DataSet, folder: Path, progress: bool) -> None:
    """Ask for all slices in one folder (`dirTemplate=None`: no levels of folders named after patient and study)."""
    try:
        client.download_dicom_series(
            seriesInstanceUID=dataset.series_uid,
            downloadDir=str(folder),
            dirTemplate=None,
            quiet=True,
            show_progress_bar=progress,
        )
    except Exception as error:
        raise DatasetError(f"idc-index could not fetch {dataset.name} ({_short(error)}).") from error


def _short(error: Exception) -> str:
    first = str(error).strip().splitlines()[:1]
    return ": ".join([type(error).__name__, *(line[:120] for line in first)])
