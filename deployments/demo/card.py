"""What only the demo's authors can say about their models, for the model card.

Registered as tags ``card.<field>``: the rest of the card is filled from the registry, the
policy and the evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_LINE = "Logistic regression on standardised features"
_TREES = "Gradient-boosted trees on histograms of the features"

_FOR_ALL: Mapping[str, str] = MappingProxyType(
    {
        "license": "Apache-2.0, as the demo; the flights are public records of 2013.",
        "intended_use": "Showing passengers leaving New York how likely a late arrival is.",
        "out_of_scope": "Compensation, crew planning, other airports, other years.",
        "factors": "Airport of departure, carrier, season and weather.",
        "metric_choice": "People plan by the probability, so it is judged by log loss and "
        "calibration, never by ranking alone.",
        "training_data": "Every departure from New York that arrived, January to March 2013, "
        "with the weather of the hour.",
        "ethical_considerations": "It speaks of flights, not of people; a wrong number costs "
        "somebody a connection.",
        "limitations": "Trained on winter: summer storms are outside what it has seen.",
        "recommendations": "Show the probability, not a yes or no, and retrain every season.",
    }
)


def card_tags(*, linear: bool) -> dict[str, str]:
    """Registry tags for the card of one recipe."""
    fields = {"model_type": _LINE if linear else _TREES, **_FOR_ALL}
    return {f"card.{name}": text for name, text in fields.items()}
