"""Photos, faces and people kept in a file or on a server: search, grouping, decisions, erasure."""

from fusiform.gallery.acts import Act
from fusiform.gallery.cipher import Secret, WrongKey
from fusiform.gallery.decisions import apart, hide, merge, name, no_faces, same, split, undo
from fusiform.gallery.erasure import compact, forget
from fusiform.gallery.exchange import Taken, Written, read_names, write_names
from fusiform.gallery.freshness import Staleness, stale, ungrouped
from fusiform.gallery.grouping import MINIMUM_QUALITY, group
from fusiform.gallery.incremental import absorb
from fusiform.gallery.journal import Decisions, Entry, acts, entries, replay
from fusiform.gallery.opening import is_url
from fusiform.gallery.own import Kept, calibrate, drop, keep, kept
from fusiform.gallery.persons import people, person, regroup
from fusiform.gallery.photo_search import photos
from fusiform.gallery.query import Span
from fusiform.gallery.questions import Question, Reason, questions, why
from fusiform.gallery.records import Erasure, FaceRow, Match, Person, Photo, PhotoRow, Skipped
from fusiform.gallery.reembedding import Changes, Move, compare, drop_vectors, register, switch
from fusiform.gallery.sealing import Sealing, change, seal, unseal
from fusiform.gallery.search import find
from fusiform.gallery.store import Store

__all__ = [
    "MINIMUM_QUALITY",
    "Act",
    "Changes",
    "Decisions",
    "Entry",
    "Erasure",
    "FaceRow",
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
    "Taken",
    "Written",
    "WrongKey",
    "absorb",
    "acts",
    "apart",
    "calibrate",
    "change",
    "compact",
    "compare",
    "drop",
    "drop_vectors",
    "entries",
    "find",
    "forget",
    "group",
    "hide",
    "is_url",
    "keep",
    "kept",
    "merge",
    "name",
    "no_faces",
    "people",
    "person",
    "photos",
    "questions",
    "read_names",
    "register",
    "regroup",
    "replay",
    "same",
    "seal",
    "split",
    "stale",
    "switch",
    "undo",
    "ungrouped",
    "unseal",
    "why",
    "write_names",
]
