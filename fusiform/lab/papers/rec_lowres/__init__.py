"""Papers of family rec.lowres."""
