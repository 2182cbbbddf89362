"""On AWS: the template of a stack, and the packages of its functions."""
