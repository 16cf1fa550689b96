"""Asks a Django project what it is, from inside its own environment.

Standard library only, CPython 3.9 and later. Run as ``python -m hotclub_project.inspect`` in
manage.py's folder; the answer goes to a file, because settings may print.
"""
