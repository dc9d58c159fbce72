"""`python -m rnn2c`: the command line."""

from rnn2c.cli import main

if __name__ == "__main__":
    main(prog_name="rnn2c")
