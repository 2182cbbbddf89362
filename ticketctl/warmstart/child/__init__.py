"""What runs inside the process under examination: standard library only, under the user's own interpreter.

`boot` loads it by path under a name of its own, so that neither sys.path nor the user's modules meet it.
"""
