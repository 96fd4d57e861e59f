"""Public test sets as they lie on a disk, and the protocols they are published with."""
