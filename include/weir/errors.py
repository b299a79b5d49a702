"""What can go wrong, as one tree.

WeirError            1
  SettingsError      2   a setting or argument is missing, unknown or out of range
  SchemaError        3   a table lacks what its schema names
  StoreError         4   the store refused or lost something
    ConflictError    4   somebody else changed the object in between
    AbsentError      4   there is no such object, or not as much of it
  ArtifactError      5   a model cannot be used here
  CaptureError       6   a capture, segment or spool cannot be read
  LedgerError        7   the ledger does not balance
  DeliveryError      8   an alert or a report could not be delivered
  SiteError          9   a part of the platform on this machine did not start

The number is the exit code of the command line. Every message says what, where and what to do.
"""


class WeirError(Exception):
    """Base of all errors that Weir raises on purpose."""

    exit_code = 1


class SettingsError(WeirError):
    """A setting or argument is missing, unknown or out of range."""

    exit_code = 2


class SchemaError(WeirError):
    """A table lacks what its schema names."""

    exit_code = 3


class StoreError(WeirError):
    """The store refused or lost something."""

    exit_code = 4


class ConflictError(StoreError):
    """An object changed, or appeared, since it was last read."""


class AbsentError(StoreError):
    """There is no such object, or it ends before the bytes that were asked for."""


class ArtifactError(WeirError):
    """A model cannot be used here."""

    exit_code = 5


class CaptureError(WeirError):
    """A capture, segment or spool cannot be read."""

    exit_code = 6


class LedgerError(WeirError):
    """The ledger does not balance."""

    exit_code = 7


class DeliveryError(WeirError):
    """An alert or a report could not be delivered."""

    exit_code = 8


class SiteError(WeirError):
    """A part of the platform on this machine did not start."""

    exit_code = 9
