"""Photos, faces and people kept in a file or on a server: search, grouping, decisions, erasure."""

from fusiform.gallery.acts import Act
from fusiform.gallery.backup import backup
from fusiform.gallery.cipher import Secret, WrongKey
from fusiform.gallery.consent import consenting, lapsed
from fusiform.gallery.copies import backups
from fusiform.gallery.decisions import (
    apart,
    born,
    draw,
    hide,
    merge,
    name,
    no_faces,
    note_consent,
    overruled,
    same,
    split,
    undo,
)
from fusiform.gallery.erasure import compact, forget, forget_lapsed
from fusiform.gallery.exchange import Taken, Written, read_names, write_names
from fusiform.gallery.freshness import Staleness, gone_files, stale, take_off, ungrouped
from fusiform.gallery.grouping import MINIMUM_QUALITY, group
from fusiform.gallery.incremental import absorb
from fusiform.gallery.journal import Decisions, Entry, acts, entries, replay
from fusiform.gallery.opening import is_url
from fusiform.gallery.own import Kept, calibrate, drop, keep, kept
from fusiform.gallery.persons import faces_of, owner_of, paths_of, people, person, regroup
from fusiform.gallery.photo_search import photos
from fusiform.gallery.portable_read import Imported, import_archive
from fusiform.gallery.portable_write import Exported, export
from fusiform.gallery.query import Span
from fusiform.gallery.questions import Question, Reason, questions, why
from fusiform.gallery.records import (
    Consent,
    Erasure,
    FaceRow,
    Match,
    Person,
    Photo,
    PhotoRow,
    Skipped,
)
from fusiform.gallery.reembedding import Changes, Move, compare, drop_vectors, register, switch
from fusiform.gallery.refill import lacks_vectors, refill
from fusiform.gallery.retention import due, expire, keep_for, kept_for
from fusiform.gallery.sealing import Sealing, change, seal, unseal
from fusiform.gallery.search import find
from fusiform.gallery.store import Store
from fusiform.gallery.tables import Tabled, write_table
from fusiform.gallery.zones import (
    Zone,
    add_zone,
    all_zones,
    clear_zones,
    faces_in,
    remove_zone,
    without_zones,
    zone_of,
)

__all__ = [
    "MINIMUM_QUALITY",
    "Act",
    "Changes",
    "Consent",
    "Decisions",
    "Entry",
    "Erasure",
    "Exported",
    "FaceRow",
    "Imported",
    "Kept",
    "Match",
    "Move",
    "Person",
    "Photo",
    "PhotoRow",
    "Question",
    "Reason",
    "Sealing",
    "Secret",
    "Skipped",
    "Span",
    "Staleness",
    "Store",
    "Tabled",
    "Taken",
    "Written",
    "WrongKey",
    "Zone",
    "absorb",
    "acts",
    "add_zone",
    "all_zones",
    "apart",
    "backup",
    "backups",
    "born",
    "calibrate",
    "change",
    "clear_zones",
    "compact",
    "compare",
    "consenting",
    "draw",
    "drop",
    "drop_vectors",
    "due",
    "entries",
    "expire",
    "export",
    "faces_in",
    "faces_of",
    "find",
    "forget",
    "forget_lapsed",
    "gone_files",
    "group",
    "hide",
    "import_archive",
    "is_url",
    "keep",
    "keep_for",
    "kept",
    "kept_for",
    "lacks_vectors",
    "lapsed",
    "merge",
    "name",
    "no_faces",
    "note_consent",
    "overruled",
    "owner_of",
    "paths_of",
    "people",
    "person",
    "photos",
    "questions",
    "read_names",
    "refill",
    "register",
    "regroup",
    "remove_zone",
    "replay",
    "same",
    "seal",
    "split",
    "stale",
    "switch",
    "take_off",
    "undo",
    "ungrouped",
    "unseal",
    "why",
    "without_zones",
    "write_names",
    "write_table",
    "zone_of",
]
