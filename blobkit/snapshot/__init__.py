"""The facts of a store at one moment, the policies that choose among them, and the kinds of stores."""
