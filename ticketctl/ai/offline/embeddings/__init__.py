"""Sentence embeddings: a model in ONNX format that adds its vectors to the offline engine's features."""
