"""The files of a repository: its modules with their imports, and the files that name its handlers."""
