"""What values of a type may hold, so that those that hold nothing special cost nothing."""

import enum


class Trait(enum.Flag):
    """What values of a type may hold, wherever inside."""

    PLAIN = 0
    FILES = enum.auto()
    DATES = enum.auto()  # datetimes, which msgpack would write in a form of its own
    KEYS = enum.auto()  # dicts with other keys than text
    SETS = enum.auto()
    MIXED = enum.auto()  # sets of what Python cannot sort
    ANYTHING = enum.auto()
    NESTED = enum.auto()  # to any depth: the type does not say how deep
    CLAMPED = enum.auto()  # numbers that a worker corrects
    FRAGILE = enum.auto()  # a union that msgspec must not see
