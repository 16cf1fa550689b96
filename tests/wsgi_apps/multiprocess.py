"""Uses multiprocessing and subprocess inside a request."""

import multiprocessing
import subprocess
import sys


def square(number):
    return number * number


def application(environ, start_response):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        squares = pool.map(square, [1, 2, 3])
    out = subprocess.run([sys.executable, "-c", "print('sub')"], stdout=subprocess.PIPE, check=True)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(squares).encode(), b" ", out.stdout.strip()]
