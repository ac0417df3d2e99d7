"""x"""
def command() -> None:
    """Live."""
