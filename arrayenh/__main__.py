"""`python -m arrayenh` is the command `arrayenh`."""

from arrayenh.cli.main import main

if __name__ == "__main__":
    main()
