"""What holds for every test."""

from hypothesis import settings

# A shared machine is slow at times; a property is about answers, never about milliseconds.
settings.register_profile("isthmus", deadline=None, print_blob=True)
settings.load_profile("isthmus")
