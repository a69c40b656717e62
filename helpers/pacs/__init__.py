"""DICOM networking: talk to an archive (PACS) as a scanner or a workstation does.

    archive = Archive("127.0.0.1", 11112, ae_title="ARCHIVE")
    echo(archive)                                  does it answer? (C-ECHO)
    store(archive, "folder")                       send a folder or a series (C-STORE), one result per file
    find(archive, "series", Modality="CT")         ask what is there (C-FIND), a table
    get(archive, "out", SeriesInstanceUID=uid)     fetch it into a folder (C-GET)

    with local_server() as archive: ...            a small archive in this process, to practise on

Nothing here is encrypted: as in most hospitals, DICOM travels in the clear, so keep it inside a trusted network.
find() returns what the archive says, names included, because it was asked to; the message log, the figures and the
errors carry no patient identity.
"""

try:
    import pynetdicom as _pynetdicom  # noqa: F401
except ImportError as error:  # pragma: no cover - the extra is always there in the tests
    raise ImportError("helpers.pacs needs pynetdicom: install this project with its extra `pacs`.") from error

from helpers.pacs.archive import Archive, PacsError, TransferInterrupted
from helpers.pacs.fetching import get
from helpers.pacs.log import Message, MessageLog
from helpers.pacs.query import echo, find
from helpers.pacs.sending import store
from helpers.pacs.server import local_server

__all__ = [
    "Archive",
    "Message",
    "MessageLog",
    "PacsError",
    "TransferInterrupted",
    "echo",
    "find",
    "get",
    "local_server",
    "store",
]
