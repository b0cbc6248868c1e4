import sys
import traceback


def report(message, *, exc_info=False):
    sys.stderr.write(f"*** {message}\n")
    if exc_info:
        traceback.print_exc()
