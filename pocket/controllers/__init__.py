"""The controllers: each brings the cluster a step nearer to what the objects ask for, again and again.

Each is a pure `decide` and a thin shell around it. They are level-triggered: an event only says that something has
changed, and then they look at the whole; so a missed event or a death in the middle of a step does no harm.
"""

from pocket.controllers.loop import Controllers

__all__ = ["Controllers"]
