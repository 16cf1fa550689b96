"""Imports a module of its own that cannot be compiled."""

import importlib

importlib.import_module("syntax_error")
