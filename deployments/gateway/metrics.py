"""What Prometheus reads at ``/metrics``: counters kept anyway, put into words when asked.

Every sample names its replica: several processes may answer at one address. Serving a request
costs one ``Latencies.add`` for each variant it asked, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import accumulate
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from deployments.gateway.gateway import Gateway
from deployments.gateway.latencies import BOUNDS_MS, Latency
from policies.vocabulary import FULL_WEIGHT_BP

CONTENT_TYPE = CONTENT_TYPE_LATEST
Samples = Mapping[Any, float]  # a tuple of the labels' values after ``replica`` -> number
Family = type[CounterMetricFamily] | type[GaugeMetricFamily]


class Collected(Collector):
    """What was read at one moment."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


class GatewayMetrics(Collector):
    """``text`` is one scrape."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    async def text(self) -> bytes:
        """Read here, where the counters change; written in a thread, for that takes longer."""
        return await asyncio.to_thread(generate_latest, Collected(list(self._registry.collect())))

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: to register is not to be asked."""
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from self._counters()
        yield from self._gauges()
        yield from self._models()
        yield self._latencies()

    def _counters(self) -> Iterator[Metric]:
        counts, dropped = self._gateway.counts, self._gateway.spool.dropped
        plain = {
            "rows": ("Rows that were answered.", counts.rows),
            "fallbacks": ("Rows that another variant answered.", counts.fallbacks),
            "unanswered": ("Rows that nobody answered.", counts.unanswered),
            "discarded": ("Rows scored again because a kill came meanwhile.", counts.discarded),
            "mirror_shed": ("Mirrored rows not scored for want of room.", counts.shed),
            "lines_dropped": ("Lines of the log that were lost.", dropped),
        }
        for name, (says, number) in plain.items():
            yield self._filled(CounterMetricFamily, name, says, {(): number})
        outcomes = {(kind,): count for kind, count in asdict(self._gateway.recent.total).items()}
        yield self._filled(
            CounterMetricFamily, "outcomes", "Outcomes that were posted.", outcomes, "kind"
        )

    def _gauges(self) -> Iterator[Metric]:
        gateway = self._gateway
        age = "Since the plans in force were last seen to be the published ones."
        plain = {
            "plan_age_seconds": (age, gateway.plan_age_seconds),
            "ready": ("1 when every model answers.", not gateway.not_ready()),
            "document_ok": ("0 while flags.json is refused.", gateway.document_error is None),
            "spool_ok": ("0 while the log cannot be written.", gateway.spool.fault is None),
        }
        for name, (says, number) in plain.items():
            yield self._filled(GaugeMetricFamily, name, says, {(): number})

    def _models(self) -> Iterator[Metric]:
        seen = [self._gateway.observe(model)[0] for model in self._gateway.models]
        shares = {(it.model,): it.weight_bp / FULL_WEIGHT_BP for it in seen}
        by_model: dict[str, tuple[str, Samples]] = {
            "revision": ("Of the plan in force.", {(it.model,): it.revision for it in seen}),
            "candidate_share": ("Share of units that the candidate answers.", shares),
            "killed": (
                "1 while out of service.",
                {(it.model,): it.killed_to is not None for it in seen},
            ),
            "breaker_open": (
                "1 while the circuit breaker keeps the candidate out.",
                {(it.model,): it.opened is not None for it in seen},
            ),
        }
        for name, (says, samples) in by_model.items():
            yield self._filled(GaugeMetricFamily, name, says, samples, "model")
        loaded = {(it.model, arm): 1 for it in seen for arm in it.serving}
        says = "1 for what is verified and loaded."
        yield self._filled(GaugeMetricFamily, "loaded", says, loaded, "model", "arm")

    def _latencies(self) -> Metric:
        family = HistogramMetricFamily(
            "seatrial_gateway_call_seconds",
            "What one call of a variant took, its queue included; mirrored calls too.",
            labels=("replica", "model", "arm"),
        )
        for (model, arm), latency in self._gateway.latencies.items():
            family.add_metric((self._replica, model, arm), *_buckets(latency))
        return family

    @property
    def _replica(self) -> str:
        return self._gateway.options.replica

    def _filled(self, kind: Family, name: str, says: str, samples: Samples, *labels: str) -> Metric:
        family = kind(f"seatrial_gateway_{name}", says, labels=("replica", *labels))
        for values, number in samples.items():
            family.add_metric((self._replica, *values), number)
        return family


def _buckets(latency: Latency) -> tuple[list[tuple[str, float]], float]:
    bounds = [*(str(bound / 1000) for bound in BOUNDS_MS), "+Inf"]
    return list(zip(bounds, accumulate(latency.within), strict=True)), latency.sum_ms / 1000
