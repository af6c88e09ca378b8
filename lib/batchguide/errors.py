"""The one kind of error that speaks to the person at the keyboard."""


class UserError(ValueError):
    """Input that batchguide can't use: the message names it, its value, and what is allowed.

    Commands print the message alone, without a traceback, and exit with 64.
    """
