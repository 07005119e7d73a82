"""What Prometheus reads at the control service's ``/metrics``, with the read token."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from deployments.control.checks import Watch
from deployments.control.hooks import Hook
from deployments.control.published import Document, Published
from deployments.control.tally import Tally
from policies.errors import UnavailableError
from policies.vocabulary import FULL_WEIGHT_BP

CONTENT_TYPE = CONTENT_TYPE_LATEST


class ControlMetrics(Collector):
    """``text`` is one scrape; it reads the published document."""

    def __init__(self, tally: Tally, watch: Watch, hook: Hook, published: Published) -> None:
        self._tally, self._watch, self._hook, self._published = tally, watch, hook, published
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: to register is not to be asked."""
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from self._counters()
        yield _gauge(
            "control_watch_age_seconds", "Since the last round of checks.", self._watch.seconds_ago
        )
        yield _gauge("control_watch_ok", "0 when the checks fail.", self._watch.fault is None)
        yield _gauge("control_hook_ok", "0 when a hint failed.", self._hook.fault is None)
        try:
            document = self._published.document()
        except UnavailableError:
            yield _gauge("switch_document_ok", "0 when there is no good one.", 0)
            return
        yield _gauge("switch_document_ok", "0 when there is no good one.", 1)
        yield from _switch(document)

    def _counters(self) -> Iterator[Metric]:
        tally = self._tally
        yield _counter("moves", "Plans that were sent here and are published.", tally.done("plan"))
        yield _counter("kills", "Kills that were sent here.", tally.done("kill"))
        yield _counter("restores", "Kills that were lifted here.", tally.done("restore"))
        yield _counter("denied", "Calls without the right token.", tally.denied)
        yield _counter("limited", "Calls answered 429.", tally.limited)
        calls = CounterMetricFamily(
            "seatrial_control_calls", "Calls and how they ended.", labels=("handler", "status")
        )
        for (handler, status), number in list(tally.calls.items()):
            calls.add_metric((handler, str(status)), number)
        yield calls


def _switch(document: Document) -> Iterator[Metric]:
    """What is published, whoever published it: other writers never come by here."""
    told = {model: flag["metadata"] for model, flag in document["flags"].items()}
    killed = {model: "killed_to" in it for model, it in told.items()}
    shares = {
        model: 0 if killed[model] else it["weight_bp"] / FULL_WEIGHT_BP
        for model, it in told.items()
    }
    revisions = {model: it["rev"] for model, it in told.items()}
    yield _by_model("revision", "The published revision.", revisions)
    yield _by_model("candidate_share", "Share of units sent to the candidate.", shares)
    yield _by_model("killed", "1 while out of service.", killed)


def _counter(name: str, says: str, value: float) -> Metric:
    return CounterMetricFamily(f"seatrial_control_{name}", says, value=value)


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(f"seatrial_{name}", says, value=value)


def _by_model(name: str, says: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"seatrial_switch_{name}", says, labels=("model",))
    for model, value in values.items():
        family.add_metric((model,), value)
    return family
