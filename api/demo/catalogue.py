"""What the demo shop sells. Prices in minor units."""

from typing import NamedTuple


class Item(NamedTuple):
    """A product of the shop; `picture` names its drawing."""

    name: str
    description: str
    prices: dict[str, int]
    picture: str


PRODUCTS = (
    Item(
        "Ceramic mug",
        "Hand-thrown, holds 300 ml, survives the dishwasher.",
        {"USD": 1800, "EUR": 1700, "JPY": 2600},
        "mug",
    ),
    Item(
        "Linen notebook",
        "160 dotted pages that lie flat, thread-bound.",
        {"USD": 2400, "EUR": 2200, "JPY": 3500},
        "notebook",
    ),
    Item(
        "Desk lamp",
        "Warm light, brass arm, a switch that clicks.",
        {"USD": 8900, "EUR": 8200, "JPY": 12800},
        "lamp",
    ),
    Item(
        "Wool blanket",
        "130 × 180 cm, woven from recycled wool.",
        {"USD": 12900, "EUR": 11900, "JPY": 18900},
        "blanket",
    ),
)
