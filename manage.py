#!/usr/bin/env python
"""Kept's commands. Beside `make run` they find its servers; alone they start the database."""

import sys

from config.commands import main

if __name__ == "__main__":
    main(sys.argv)
