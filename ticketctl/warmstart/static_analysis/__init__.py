"""Static analysis of handlers: reads their source and the installed versions, and runs none of the code.

Data flows one way, and imports go downwards: `repository` reads the files, `facts` collects what each module does and
what one handler reaches, `lifetimes` answers how long its objects live, and `rules` judges them. `libraries` is what is
known of libraries. `analyzer` is the entry.
"""
