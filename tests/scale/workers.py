"""Work for processes of their own, which some of it kills."""

import os
import signal


def doubled(numbers):
    return [2 * number for number in numbers]


def deadly(numbers):
    """Doubles, but 13 kills the worker."""
    if 13 in numbers:
        os.kill(os.getpid(), signal.SIGKILL)
    return doubled(numbers)


def deadly_once(folder, numbers):
    """Doubles, but the first worker that gets 13 dies of it."""
    if 13 in numbers:
        try:
            os.mkdir(os.path.join(folder, "dead"))
        except FileExistsError:
            return doubled(numbers)
        os.kill(os.getpid(), signal.SIGKILL)
    return doubled(numbers)


def failing(numbers):
    if 13 in numbers:
        raise ValueError("no luck")
    return doubled(numbers)
