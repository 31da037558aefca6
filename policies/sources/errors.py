class SourceError(Exception):
    """A file, or a part of it, that no graph can be made of.

    Attributes:
        hint: what to do about it.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint
