"""The learning engine: features, a linear classifier, its calibration, and trained models."""
