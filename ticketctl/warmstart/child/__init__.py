"""Code that runs in the process of the handler under test: standard library only, on the user's own interpreter.

`bootstrap` loads it by path, under a name of its own, so that it appears neither on sys.path nor among the user's
modules.
"""
