"""What people ask: intake, verification, review, fulfilment, the package, closing an account,
reports, the desks.
"""
