"""The doctor's knowledge: reads a handler's source and the installed versions, and runs nothing of either.

`project` finds the modules, `facts` says what each does with event loops, `rules` says what is known to go wrong.
"""
