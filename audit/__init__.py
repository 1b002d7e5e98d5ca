"""What happened, provably: append-only log and its seals, the journal, staff access with a reason,
controls and evidence.
"""
