"""Scores of detection, verification, grouping and calibration; numpy only."""
