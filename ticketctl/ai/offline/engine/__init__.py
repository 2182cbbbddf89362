"""The text classifier: features, an averaged perceptron, its calibration, and trained models as files."""
