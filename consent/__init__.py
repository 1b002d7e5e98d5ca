"""What people chose: ledger of choices, receipts, the mail gate, notices of a changed policy and
their acknowledgement.
"""
