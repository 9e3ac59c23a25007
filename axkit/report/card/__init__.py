"""README.md: a model card of the Hugging Face hub, and the way there."""

from axkit.report.card.card import CARD, card_of

__all__ = ["CARD", "card_of"]
