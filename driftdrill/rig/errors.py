"""What can go wrong before and around a drill, told apart by whose move it is."""


class UsageError(Exception):
    """The user has to change something: a bad file, a folder in use, a tool that is missing."""


class RigError(Exception):
    """A server of the rig did not start, or died; says which one, where its log is and why."""
