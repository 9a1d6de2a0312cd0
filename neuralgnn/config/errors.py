"""The one kind of error that a configuration raises."""

__all__ = ["ConfigError"]


class ConfigError(ValueError):
    """One line per problem: file, key, value found, values allowed, nearest valid key.

    Args:
        problems: Lines to show, at least one.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(map(_printable, problems))
        super().__init__("\n".join(self.problems))


def _printable(line: str) -> str:
    """The same line without what a terminal would act on: a key may hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
