"""Processes killed at any instant, servers that go away: nothing acknowledged is ever lost.

`site` runs a whole site of its own, `planting` gives it work and people, `work` says when the work
is done and what must then be true, `schedule` draws who is killed when, `visitors` are people who
go on pressing buttons meanwhile.
"""
