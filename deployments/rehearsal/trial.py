"""One rehearsal: both models in the gateway's own worker process, judged as a release judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

from deployments.gateway.options import Options
from deployments.gateway.signature import Column
from deployments.gateway.variant import Key, LoadedVariant, load_variant
from deployments.rehearsal.sample import Sample, read_sample
from deployments.stack.parts import ROOT
from flows.trial import TIMED_CALLS, Checks, Measured, check_all
from policies.errors import RefusedError
from policies.loader import LoadedPolicy
from policies.verdict import judge
from policies.vocabulary import Artefact, Evidence, Verdict
from tasks.evaluation import trial as evaluation
from tasks.evaluation.ports import DataContract
from tasks.registry.ports import Shelf
from tasks.registry.reference import reference_rows
from tasks.telemetry.sampling import sample_evidence
from tasks.traffic import trial as traffic

Say = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What somebody wants rehearsed. ``champion``: a model's place, or a rule's score."""

    model: str
    champion: str | float
    sample: Path
    label: str
    policy: LoadedPolicy
    time: str | None = None  # the sample's column of times


@dataclass(frozen=True)
class Rehearsed:
    artefact: Artefact
    sample: Sample
    evidence: tuple[Evidence, ...]
    verdict: Verdict


@dataclass(frozen=True)
class Bench:
    """Where models are loaded: a store of the rehearsal's own, and the gateway's worker."""

    home: Path
    shelf: Shelf
    contract: DataContract
    say: Say

    def rehearse(self, asked: Asked) -> Rehearsed:
        artefact = self.shelf.take(asked.model)
        rule = asked.champion if isinstance(asked.champion, float) else None
        champion = self.shelf.take(asked.champion) if isinstance(asked.champion, str) else None
        policy = asked.policy.policy
        sample = read_sample(
            asked.sample,
            asked.label,
            policy.staging.sample_rows,
            needed=columns_of(champion or artefact),
            known=columns_of(artefact),
            time=asked.time,
        )
        try:
            evidence = self._evidence(asked, artefact, champion, rule, sample)
        except Unloadable as fault:
            evidence = [traffic.check_loading([str(fault)], 1)]
        verdict = judge(policy, policy.steps()[0], evidence)
        return Rehearsed(artefact, sample, tuple(evidence), verdict)

    def _evidence(
        self,
        asked: Asked,
        artefact: Artefact,
        champion: Artefact | None,
        rule: float | None,
        sample: Sample,
    ) -> list[Evidence]:
        policy, offline = asked.policy.policy, reference_rows(self.shelf.path_of(artefact.digest))
        inputs = [row.inputs for row in sample.rows]
        self.say(f"scoring {len(inputs)} rows with the candidate, in a process of its own")
        with self._loaded(artefact) as variant, self._champion(champion) as beside:
            candidate = variant.probe(inputs, TIMED_CALLS, features=False, champion=beside)
            on_reference = variant.probe([row.inputs for row in offline], 0, features=True)
            if beside is not None:
                self.say("scoring them with the champion")
                old = beside.probe(inputs, 0, features=False)
            else:
                old = traffic.rule_probe(rule or 0.0, len(inputs))
        seen = Measured(
            rows=sample.rows,
            reference=offline,
            champion_inputs=champion.inputs if champion else None,
            champion=old,
            candidate=candidate,
            on_reference=on_reference,
        )
        return [
            traffic.check_loading([], 1),
            sample_evidence(policy, sample.rows),
            *check_all(self._checks(), policy, artefact, seen),
        ]

    @contextmanager
    def _champion(self, champion: Artefact | None) -> Iterator[LoadedVariant | None]:
        if champion is None:
            yield None
            return
        with ExitStack() as loaded:
            try:
                variant = loaded.enter_context(self._loaded(champion))
            except Unloadable as fault:
                raise RefusedError(
                    f"The champion cannot be loaded: {fault}",
                    advice="Compare with a model that serves, or with a rule: --rule 0.5",
                ) from fault
            yield variant

    def _checks(self) -> Checks:
        return Checks(
            contract=partial(evaluation.check_contract, self.contract),
            signature=evaluation.check_signature,
            serving_path=evaluation.check_serving_path,
            probabilities=evaluation.check_probabilities,
            parity=evaluation.check_parity,
            scores=evaluation.check_scores,
            fallback=traffic.check_fallback,
        )

    @contextmanager
    def _loaded(self, artefact: Artefact) -> Iterator[LoadedVariant]:
        """In the folder the gateway runs in: what lies beside the caller is not importable there.

        ``Unloadable`` when the model cannot be loaded: a finding, not a broken instrument.
        """
        options = Options(home=self.home, replica="rehearsal")
        with chdir(ROOT):
            try:
                variant = load_variant(Key(artefact.digest, isolated=True), options, Event())
            except RefusedError as error:
                raise Unloadable(error.message) from error
            try:
                yield variant
            finally:
                variant.end()


class Unloadable(Exception):
    """Why a model could not be loaded in the worker process."""


def columns_of(artefact: Artefact) -> list[Column]:
    return [
        Column(name, kind, name not in artefact.optional) for name, kind in artefact.inputs.items()
    ]
