"""The one kind of error that speaks to the person at the keyboard."""

REFUSED = "batchguide can't use this input:"


class UserError(ValueError):
    """Input that batchguide can't use: the message names it, its value, and what is allowed.

    Commands print the message alone, without a traceback, and exit with 64.
    """

    def _render_traceback_(self) -> list[str]:
        """What Jupyter shows in place of a traceback: the sentence, for the code is not at fault.

        A report tells by the first line that a page stopped on its input and not on a bug.
        """
        return [REFUSED, f"{type(self).__name__}: {self}"]
