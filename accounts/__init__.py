"""People with an account: users, profiles and who sees them, age, guardians, invitations,
connections, sessions, staff roles, undertakings, two-person approval.
"""
