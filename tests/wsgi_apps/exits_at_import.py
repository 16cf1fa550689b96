"""Gives up while it is imported."""

import sys

sys.exit("SECRET_KEY is not set")
