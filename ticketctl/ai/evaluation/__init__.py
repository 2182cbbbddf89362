"""Measure a provider on labelled texts: accuracy, calibration, confusion."""
