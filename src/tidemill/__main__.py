"""``python -m tidemill``."""

from tidemill.cli.main import main

main()
