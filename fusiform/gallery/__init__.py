"""Photos, faces and people kept in a file or on a server: search, grouping, decisions, erasure."""

from fusiform.gallery.acts import Act
from fusiform.gallery.decisions import (
    apart,
    hide,
    merge,
    name,
    no_faces,
    overruled,
    same,
    split,
    undo,
)
from fusiform.gallery.erasure import compact, forget
from fusiform.gallery.exchange import Taken, Written, read_names, write_names
from fusiform.gallery.freshness import Staleness, gone_files, stale, take_off, ungrouped
from fusiform.gallery.grouping import MINIMUM_QUALITY, group
from fusiform.gallery.incremental import absorb
from fusiform.gallery.journal import Decisions, Entry, acts, entries, replay
from fusiform.gallery.own import Kept, calibrate, drop, keep, kept
from fusiform.gallery.persons import people, person, regroup
from fusiform.gallery.photo_search import photos
from fusiform.gallery.query import Span
from fusiform.gallery.questions import Question, Reason, questions, why
from fusiform.gallery.records import Erasure, FaceRow, Match, Person, Photo, PhotoRow, Skipped
from fusiform.gallery.search import find
from fusiform.gallery.store import Store, is_url

__all__ = [
    "MINIMUM_QUALITY",
    "Act",
    "Decisions",
    "Entry",
    "Erasure",
    "FaceRow",
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
    "Taken",
    "Written",
    "absorb",
    "acts",
    "apart",
    "calibrate",
    "compact",
    "drop",
    "entries",
    "find",
    "forget",
    "gone_files",
    "group",
    "hide",
    "is_url",
    "keep",
    "kept",
    "merge",
    "name",
    "no_faces",
    "overruled",
    "people",
    "person",
    "photos",
    "questions",
    "read_names",
    "regroup",
    "replay",
    "same",
    "split",
    "stale",
    "take_off",
    "undo",
    "ungrouped",
    "why",
    "write_names",
]
