"""Static analysis of handlers: reads their source and the installed versions, and runs none of the code.

`handler_discovery` finds the handlers, `project` resolves imports, `module_reader` collects facts about event loops and
clients, `import_closure` puts the facts of one handler together, and `rules` judges them.
"""
