"""The product's password hash at the least cost: tests make hundreds of accounts."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class QuickArgon2(Argon2PasswordHasher):
    """Argon2id with eight kibibytes and one round."""

    time_cost = 1
    memory_cost = 8
    parallelism = 1
