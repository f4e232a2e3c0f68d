"""A spec with its defaults filled in, and the sizes that follow from it."""

from dataclasses import dataclass

from streamrnn import spec
from streamrnn.model import covariances, covariates, traces
from streamrnn.model.history import Past, past
from streamrnn.model.names import Names
from streamrnn.model.parts import HEADS, LAYERS
from streamrnn.model.presets import PRESETS, network, watching
from streamrnn.model.presets import experts as members
from streamrnn.model.refuse import refuse

LABEL = "label"


@dataclass(frozen=True, slots=True)
class Sizes:
    """A spec with everything filled in, and the sizes that follow from it."""

    model: spec.Model
    layers: tuple[spec.Layer, ...]
    experts: tuple[spec.Expert, ...]
    past: Past
    rule: spec.Rule
    optimiser: spec.Optimiser
    conformal: spec.Conformal
    anomaly: spec.Anomaly
    watching: tuple[spec.Residual | spec.Mean | spec.Hours, ...]  # the monitors behind the score
    targets: tuple[str, ...]
    horizons: tuple[int, ...]
    inputs: int
    gate: int  # inputs of the network before those of its gate over the experts; 0: it has none
    sees: tuple[str, ...]  # what of them the network sees
    own_inputs: int  # inputs before the experts' and the calendar
    kept: int  # rows of the tape an update may need
    coming: tuple[int, ...]  # features whose values are known ahead
    joint: bool  # whether the targets are judged together

    @property
    def outputs(self) -> int:
        head = self.model.head
        per_target = HEADS[type(head)].width(head) * len(self.horizons)
        return (per_target + (len(self.experts) if self.gate else 0)) * len(self.targets)

    @property
    def filtered(self) -> bool:
        """Whether the network is trained by the filter, label by label."""
        return isinstance(self.optimiser, spec.Ekf)

    @property
    def answers(self) -> int:
        return len(self.targets) * len(self.horizons)

    @property
    def logits(self) -> int:
        return len(self.targets) * len(self.experts) if self.gate else 0

    @property
    def last_round(self) -> int:
        """Forecasts of the last round of the mix: base, gated, network."""
        return 3 if self.gate else 2

    @property
    def rows(self) -> int:
        return 2 * self.kept

    @property
    def recompute(self) -> bool:
        return isinstance(self.rule, spec.Tbptt) and self.rule.recompute

    @property
    def delay(self) -> int:
        """Rows that may still get answers, for rules that take every row once; -1 for those that do not."""
        if not isinstance(self.rule, traces.RULES):
            return -1
        return 1 if self.labelled else max(self.horizons) - 1

    @property
    def level(self) -> float:
        """Coverage that is asked of intervals."""
        return self.conformal.level

    @property
    def titles(self) -> tuple[str, ...]:
        """The kinds of the experts, then the network."""
        return (*(str(expert.__struct_config__.tag) for expert in self.experts), "network")

    @property
    def watched(self) -> tuple[str, ...]:
        """The kinds of the monitors."""
        return (*(spec.kind(monitor) for monitor in self.watching), "joint", "creep")

    @property
    def shown(self) -> int:
        """Likeliest symbols that an outcome tells: none, for they are numbers."""
        return 0

    @property
    def labelled(self) -> bool:
        return self.model.task == "label"

    @property
    def names(self) -> Names:
        """What the names of a row's slices rest on."""
        head, model = self.model.head, self.model
        return Names(
            layers=self.layers,
            by_input=LAYERS[type(self.layers[0])].by_input,
            head=head,
            width=HEADS[type(head)].width(head),
            rule=self.rule,
            features=model.features,
            targets=self.targets,
            horizons=self.horizons,
            experts=self.experts,
            gated=bool(self.gate),
            coming=tuple(model.features[place] for place in self.coming),
            rows=self.rows,
            seasons=model.seasons or (),
            timezone=model.timezone,
            sees=self.sees if model.inputs is not None or self.filtered else (),
            corrects=corrects(self),
        )


def resolve(model: spec.Model) -> Sizes:
    """Fill in the preset's parts and refuse what cannot be. Raises ConfigError."""
    refuse(model)
    preset = PRESETS[model.preset]
    labelled = model.task == "label"
    layers, rule, optimiser = network(model)
    filtered = isinstance(optimiser, spec.Ekf)
    traces.refuse(model, rule, layers)
    covariances.refuse(model, layers, rule, optimiser)
    targets = (LABEL,) if labelled else (model.targets or model.features)
    horizons = (0,) if labelled else model.horizons
    experts = members(model, len(targets))
    gated = _gated(model, rule, filtered) and len(experts) > 1
    coming = tuple(model.features.index(name) for name in covariates.coming(model))
    sees = covariances.seen(model, gated, filtered)
    own, others = covariances.widths(sees, len(model.features), len(targets), len(experts), len(horizons))
    own += 2 * len(coming) * len(horizons)
    return Sizes(
        model=model,
        layers=layers,
        experts=experts,
        past=past(
            experts, horizons, 1 if labelled else model.history or preset["history"], len(coming), model.features
        ),
        rule=rule,
        optimiser=optimiser,
        conformal=next((m for m in model.monitors if isinstance(m, spec.Conformal)), spec.Conformal()),
        anomaly=next((m for m in model.monitors if isinstance(m, spec.Anomaly)), spec.Anomaly()),
        watching=watching(model),
        targets=targets,
        horizons=horizons,
        inputs=own + others,
        gate=own if gated else 0,
        sees=sees,
        own_inputs=own,
        kept=_span(rule, horizons, filtered) + max(min(horizons), 1),
        coming=coming,
        joint=1 < len(targets) <= _joint(model).targets,
    )


def _joint(model: spec.Model) -> spec.Joint:
    """The monitor of all targets: the one that is named, or as it is by default."""
    return next((monitor for monitor in model.monitors if isinstance(monitor, spec.Joint)), spec.Joint())


def _gated(model: spec.Model, rule: spec.Rule, filtered: bool) -> bool:
    """Whether the network weighs several experts by a gate: never for labels, nor where windows are run again."""
    if model.task == "label" or (isinstance(rule, spec.Tbptt) and rule.recompute):
        return False
    if model.gate is not None:
        return model.gate
    return bool(PRESETS[model.preset]["gate"]) and not filtered


def _span(rule: spec.Rule, horizons: tuple[int, ...], filtered: bool) -> int:
    """Rows of the tape from the first that an update goes back to to the last that it has answers for."""
    window = rule.window if isinstance(rule, spec.Tbptt) else 1
    span = max(window, rule.stride + max(horizons) - min(horizons))
    return max(span, window + max(horizons)) if filtered else span


def corrects(sizes: Sizes) -> str:
    """What the network's forecast corrects."""
    if sizes.model.corrects is not None:
        return sizes.model.corrects
    return ("mean" if sizes.labelled else "last") if sizes.filtered else "mix"
