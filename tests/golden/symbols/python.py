"""A shop."""
import os, numpy as np
from . import prices
from ..core.money import (
    Money as M,  # exact
    ROUND,
)

LIMIT: int = 3
A, B = 1, 2
table = {
    "x": LIMIT,
}


@dataclass(frozen=True)
class Cart(Base, metaclass=Meta):
    """What a customer wants.

    More.
    """

    items: list[Item]
    total = 0

    def __init__(self, items, *, count=LIMIT):
        self.items = items
        self.count = count
        other.thing = 1

    @property
    def price(self) -> M:
        'Of all items.'
        found = sum(item.price for item in self.items)
        return np.round(found, digits=ROUND)


async def pay(
    cart: Cart,
    *rest,
) -> None:
    def inner():
        return cart.price

    with open(os.path) as file, lock:
        amount = prices.of(cart)
        inner(amount, file.read(rest))
    pay.amount = amount
