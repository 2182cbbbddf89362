"""The result of an experiment: its verdict and findings, and how to render them."""
