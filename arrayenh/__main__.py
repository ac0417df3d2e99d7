"""`python -m arrayenh` is the command `arrayenh`."""

from arrayenh.app.cli import main

if __name__ == "__main__":
    main()
