"""Boxes, landmarks and alignment."""
