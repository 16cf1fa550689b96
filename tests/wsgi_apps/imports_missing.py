"""Imports what is not there."""

import json  # noqa: F401

import no_such_module_anywhere  # noqa: F401
