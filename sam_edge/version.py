"""The version of the package: stated here alone. The build reads it, and every room may import it."""

__version__ = "0.1.0"
