"""What goes wrong while the local services start, told in one sentence."""


class LocalServiceError(RuntimeError):
    """A local service could not be started; the message is one sentence that says what to do."""


class PortTakenError(LocalServiceError):
    """Another process took the port between the moment it was chosen and the moment it was bound."""
