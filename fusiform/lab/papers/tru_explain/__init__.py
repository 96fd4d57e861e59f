"""Papers of family tru.explain."""
