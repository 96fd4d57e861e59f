"""Photos, faces and people kept in one SQLite file: store, search, grouping, decisions, erasure."""

from fusiform.gallery.acts import Act
from fusiform.gallery.decisions import apart, hide, merge, name, no_faces, same, split, undo
from fusiform.gallery.erasure import compact, forget
from fusiform.gallery.freshness import Staleness, stale
from fusiform.gallery.grouping import MINIMUM_QUALITY, group
from fusiform.gallery.incremental import absorb
from fusiform.gallery.journal import Decisions, Entry, acts, entries, replay
from fusiform.gallery.persons import people, person, regroup
from fusiform.gallery.photo_search import photos
from fusiform.gallery.query import Span
from fusiform.gallery.records import Erasure, FaceRow, Match, Person, Photo, PhotoRow, Skipped
from fusiform.gallery.search import find
from fusiform.gallery.store import Store

__all__ = [
    "MINIMUM_QUALITY",
    "Act",
    "Decisions",
    "Entry",
    "Erasure",
    "FaceRow",
    "Match",
    "Person",
    "Photo",
    "PhotoRow",
    "Skipped",
    "Span",
    "Staleness",
    "Store",
    "absorb",
    "acts",
    "apart",
    "compact",
    "entries",
    "find",
    "forget",
    "group",
    "hide",
    "merge",
    "name",
    "no_faces",
    "people",
    "person",
    "photos",
    "regroup",
    "replay",
    "same",
    "split",
    "stale",
    "undo",
]
