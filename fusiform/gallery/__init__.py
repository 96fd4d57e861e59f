"""Photos, faces and people kept in a file or on a server: search, grouping, decisions, erasure."""

from fusiform.gallery.acts import Act
from fusiform.gallery.backup import backup
from fusiform.gallery.copies import backups
from fusiform.gallery.decisions import apart, hide, merge, name, no_faces, same, split, undo
from fusiform.gallery.erasure import compact, forget
from fusiform.gallery.exchange import Taken, Written, read_names, write_names
from fusiform.gallery.freshness import Staleness, stale, ungrouped
from fusiform.gallery.grouping import MINIMUM_QUALITY, group
from fusiform.gallery.incremental import absorb
from fusiform.gallery.journal import Decisions, Entry, acts, entries, replay
from fusiform.gallery.own import Kept, calibrate, drop, keep, kept
from fusiform.gallery.persons import people, person, regroup
from fusiform.gallery.photo_search import photos
from fusiform.gallery.portable_read import Imported, import_archive
from fusiform.gallery.portable_write import Exported, export
from fusiform.gallery.query import Span
from fusiform.gallery.questions import Question, Reason, questions, why
from fusiform.gallery.records import Erasure, FaceRow, Match, Person, Photo, PhotoRow, Skipped
from fusiform.gallery.refill import lacks_vectors, refill
from fusiform.gallery.search import find
from fusiform.gallery.store import Store, is_url
from fusiform.gallery.tables import Tabled, write_table

__all__ = [
    "MINIMUM_QUALITY",
    "Act",
    "Decisions",
    "Entry",
    "Erasure",
    "Exported",
    "FaceRow",
    "Imported",
    "Kept",
    "Match",
    "Person",
    "Photo",
    "PhotoRow",
    "Question",
    "Reason",
    "Skipped",
    "Span",
    "Staleness",
    "Store",
    "Tabled",
    "Taken",
    "Written",
    "absorb",
    "acts",
    "apart",
    "backup",
    "backups",
    "calibrate",
    "compact",
    "drop",
    "entries",
    "export",
    "find",
    "forget",
    "group",
    "hide",
    "import_archive",
    "is_url",
    "keep",
    "kept",
    "lacks_vectors",
    "merge",
    "name",
    "no_faces",
    "people",
    "person",
    "photos",
    "questions",
    "read_names",
    "refill",
    "regroup",
    "replay",
    "same",
    "split",
    "stale",
    "undo",
    "ungrouped",
    "why",
    "write_names",
    "write_table",
]
