"""The result of an experiment: the verdict, its findings, and how to render them."""
