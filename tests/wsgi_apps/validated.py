"""Any other app here behind wsgiref.validate: `validated:wrap('hello')`."""

import importlib
from wsgiref.validate import validator


def wrap(name):
    return validator(importlib.import_module(name).application)
