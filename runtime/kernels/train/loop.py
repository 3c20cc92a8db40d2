"""The training loop: Hugging Face `Trainer`, made silent and seeded."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from fusec.runtime.determinism import deterministic, seed32
from fusec.runtime.kernel import Context, RunError
from fusec.runtime.kernels.train.loss import next_token
from fusec.runtime.kernels.train.sequences import Sequences, collate, scratch_folder

EVENTS = 500  # events of each kind in one training at most, however many steps it has

Loss = Callable[[Tensor, Tensor, Tensor | int], Tensor]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train. A step takes `batch` x `accumulate` sequences; `warmup` is a share of the steps."""

    steps: int
    lr: float
    batch: int
    accumulate: int = 1
    schedule: str = "linear"
    warmup: float = 0.0
    weight_decay: float = 0.0
    clip: float = 1.0


def steps_of(epochs: float, sequences: int, batch: int, accumulate: int) -> int:
    """Optimizer steps in `epochs` passes; the last step of a pass may be smaller."""
    batches = -(-sequences // batch)
    return max(1, math.ceil(epochs * -(-batches // accumulate)))


def train(
    model: PreTrainedModel, sequences: Sequences, recipe: Recipe, ctx: Context, loss: Loss = next_token
) -> None:
    """Train `model` in place, all weights, AdamW; it comes back on the CPU.

    Weights stay in the dtype they have; on a GPU the forward pass runs under bf16 autocast. `loss` maps
    (logits [b, t, v], labels [b, t], tokens that count in the step) to a scalar. Counts steps, tokens and
    FLOPs on the meter. Raises RunError when the loss stops being finite.
    """
    assert ctx.seed is not None, "training is seeded"
    on_gpu = ctx.device != "cpu"
    with scratch_folder(ctx) as folder, deterministic(ctx.seed, ctx.threads):
        args = TrainingArguments(
            output_dir=str(folder),
            max_steps=recipe.steps,
            learning_rate=recipe.lr,
            per_device_train_batch_size=recipe.batch,
            gradient_accumulation_steps=recipe.accumulate,
            lr_scheduler_type=recipe.schedule,
            warmup_steps=math.ceil(recipe.warmup * recipe.steps),
            weight_decay=recipe.weight_decay,
            max_grad_norm=recipe.clip,
            seed=seed32(ctx.seed),
            use_cpu=not on_gpu,
            bf16=on_gpu,
            dataloader_pin_memory=on_gpu,
            remove_unused_columns=False,
            include_num_input_tokens_seen="non_padding",
            logging_steps=1,
            logging_nan_inf_filter=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        # One process drives one device; more GPUs would silently mean nn.DataParallel.
        args._n_gpu = min(args.n_gpu, 1)
        trainer = Trainer(
            model=model,
            args=args,
            train_dataset=sequences,
            data_collator=collate,
            compute_loss_func=lambda out, labels, num_items_in_batch: loss(
                out.logits, labels, num_items_in_batch
            ),
            callbacks=[_Watch(ctx, recipe.steps)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        model.cpu()
    weights = sum(p.numel() for p in model.parameters())
    tokens = int(trainer.state.num_input_tokens_seen)
    ctx.meter.steps += recipe.steps
    ctx.meter.tokens += tokens
    ctx.meter.flops += 6.0 * weights * tokens


class _Watch(TrainerCallback):
    """Speaks of progress and stops what should not go on."""

    def __init__(self, ctx: Context, steps: int) -> None:
        self.ctx, self.steps = ctx, steps
        self.every = -(-steps // EVENTS)

    def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        logs = more["logs"]
        if "loss" not in logs:  # the summary that follows the last step
            return
        self.ctx.pulse()
        step, loss = state.global_step, logs["loss"]
        if not math.isfinite(loss) or not math.isfinite(logs["grad_norm"]):
            what = "loss" if not math.isfinite(loss) else "gradient"
            raise RunError(
                f"the {what} is not finite at step {step} of {self.steps}",
                hint="lower `lr`, add `warmup`, or look for broken rows in the data",
            )
        if step % self.every == 0 or step == self.steps:
            tokens, lr = state.num_input_tokens_seen, logs["learning_rate"]
            self.ctx.emit("progress", done=step, total=self.steps, unit="steps")
            self.ctx.emit("loss", step=step, loss=loss, lr=lr, tokens=tokens)
