"""Deploy to AWS: the stack's template, and the packages of its functions."""
