"""Data, errors, reading pictures and video, drawing. Imports nothing above it."""
