"""How long the objects of one handler live, how often its code runs, and what it hands on."""
