"""Papers of family tru.fair."""
