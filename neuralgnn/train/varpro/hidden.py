"""A hidden field in a fit by variable projection: which neurons, which settings, which steps.

psi is searched with neurons that the field does not drive. With each psi found, what drives the
others is estimated (``drive``), so that their update functions can be solved for; at the end the
field's network is trained together with W (``siren``).
"""

__all__ = ["HiddenField"]

from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Int
from torch import Tensor

from neuralgnn.config.fit import FieldFitConfig, FitConfig, VarproConfig
from neuralgnn.data import Recording
from neuralgnn.models import AssemblyGNN
from neuralgnn.train.varpro.drive import Drive, estimate_drive
from neuralgnn.train.varpro.fit import Samples, subsample
from neuralgnn.train.varpro.siren import fit_field
from neuralgnn.train.varpro.splines import SplineBasis, refined_knots
from neuralgnn.train.varpro.transfer import TransferSplines

_LAST_ROUNDS = 4  # on all samples, from what a part of them gave


@dataclass(frozen=True)
class HiddenField:
    """The field of a fit.

    Attributes:
        neurons: Driven neurons.
        span: Frames of the training stretch.
        settings: How the field is fitted.
    """

    neurons: Int[Tensor, " P"]
    span: range
    settings: FieldFitConfig

    @classmethod
    def of(cls, config: FitConfig, recording: Recording, *, device: torch.device) -> Self | None:
        """The field of a configuration; None if it has none.

        Raises:
            ValueError: If the recording has fewer neurons than the grid, or none is left that
                nothing drives.
        """
        field, trainer = config.model.field, config.trainer
        if field is None:
            return None
        assert isinstance(trainer, VarproConfig)
        n_driven, n_neurons = field.shape[0] * field.shape[1], recording.n_neurons
        n_left = n_neurons - n_driven
        if field.first_neuron + n_driven > n_neurons or n_left < 1:
            raise ValueError(
                f"model.field drives {field.shape[0]} x {field.shape[1]} = {n_driven} neurons "
                f"from first_neuron = {field.first_neuron} on, but the recording has {n_neurons} "
                "neurons; at least one that nothing drives is needed"
            )
        neurons = torch.arange(n_driven, device=device) + field.first_neuron
        span, _ = recording.split(config.validation_fraction)
        return cls(neurons, span, trainer.field)

    def without_driven(self, order: Int[Tensor, " N"]) -> Int[Tensor, " M"]:
        """The neurons that nothing drives, in the same order."""
        return order[~torch.isin(order, self.neurons.to(order.device))]

    def driven(self, samples: Samples, drive: Drive) -> Samples:
        """The same samples with what drives the neurons at them."""
        values = torch.ones_like(samples.x)
        values[:, self.neurons] = drive.at(samples.numbers).to(values)
        return replace(samples, drive=values)

    def estimate(
        self, samples: Samples, transfer: TransferSplines, *, start: Drive | None = None
    ) -> Drive:
        """What drives the neurons, over stretches of time, for a given psi.

        Args:
            samples: Frames to fit.
            transfer: psi.
            start: An estimate from fewer samples, for which a few rounds are enough.
        """
        if start is None:
            activity = subsample(samples.x[:, self.neurons])
            n = self.settings.n_update_coefficients
            knots = refined_knots(transfer.basis, transfer.all_functions, activity, n)
            basis, n_rounds = SplineBasis(knots), self.settings.n_rounds
        else:
            basis, n_rounds = start.basis, _LAST_ROUNDS
        return estimate_drive(
            samples,
            transfer.sent(samples.x),
            self.neurons,
            basis,
            n_stretches=self.settings.n_stretches,
            span=self.span,
            n_rounds=n_rounds,
            ridge=transfer.ridge,
            start=start,
        )

    def learn(
        self,
        model: AssemblyGNN,
        samples: Samples,
        transfer: TransferSplines,
        drive: Drive,
        *,
        generator: torch.Generator,
    ) -> dict[str, float]:
        """Trains the model's field together with its weights; see :func:`fit_field`."""
        return fit_field(
            model,
            samples,
            drive,
            n_steps=self.settings.n_steps,
            n_joint_steps=self.settings.n_joint_steps,
            n_turns=self.settings.n_turns,
            batch_size=self.settings.batch_size,
            learning_rate=self.settings.learning_rate,
            ridge=transfer.ridge,
            generator=generator,
        )
