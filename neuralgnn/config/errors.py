"""The one kind of error that a configuration raises."""

__all__ = ["ConfigError"]


class ConfigError(ValueError):
    """One line per problem: file, key, value found, values allowed, nearest valid key.

    Args:
        problems: Lines to show, at least one.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
