"""`python -m fusiform` is the command `fusiform`."""

from fusiform.app.cli import main

if __name__ == "__main__":
    main()
