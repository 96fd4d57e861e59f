"""Papers of family rec.adapt."""
