"""The warm-start laboratory: invokes any Lambda handler in one process again and again, and tells what survives.

It knows nothing of tickets. `experiment` says what is tried, `laboratory` tries it, `report` says what came of it.
"""
