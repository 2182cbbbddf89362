"""How data looks on a terminal, in a pipe and in files."""
