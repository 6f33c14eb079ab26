"""What TRL's and transformers' own functions make of random tensors and of small random models.

usage: trl_oracles.py SEEDS [DIRECTORY]
Prints facts as JSON: `tensors`, one for each of SEEDS seeds, and, with DIRECTORY, `models`, whose weights go there.
Inputs are float32 numbers and are computed with in float64, so that a difference is one of formulas.
"""
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
import transformers as hf
import trl
from accelerate import Accelerator
from trl.core import logprobs_from_logits, masked_mean
from trl.trainer.ppo_trainer import PPOTrainer
from trl.trainer.reward_trainer import RewardTrainer
from trl.trainer.utils import AdaptiveKLController, FixedKLController, RunningMoments

from model_fixtures import batch, randomize

SIZES = dict(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2, initializer_range=0.25)
ROWS = [[5, 6, 7, 8, 9, 10, 11, 40, 3, 4, 71], [3, 30, 1], [12, 25, 13, 4, 37, 14, 3, 3, 9, 55, 60, 61, 62, 63, 64, 65, 20, 21], [7, 9, 33, 34, 90]]
STARTS = [3, 1, 6, 2]


class Trainer(PPOTrainer):
    """TRL's methods without its constructor, which wants models, a tokenizer and a dataset."""

    def __init__(self, coefficient=0.0, gamma=1.0, lam=1.0, range=0.2, value_range=0.2):
        self.config = SimpleNamespace(kl_penalty="kl", whiten_rewards=False, gamma=gamma, lam=lam, cliprange=range,
                                      cliprange_value=value_range, vf_coef=1.0, ratio_threshold=10.0)
        self.kl_ctl = FixedKLController(coefficient)


def normal(*shape, scale=1.0):
    """Float32 numbers in float64."""
    return (torch.randn(*shape) * scale).double()


def near(tensor, distance):
    return (tensor + normal(*tensor.shape, scale=distance)).float().double()


def tensors(seed):
    torch.manual_seed(seed)
    lengths = torch.randint(1, 13, (6,)).tolist()
    width = max(lengths)
    mask = torch.tensor([[1] * length + [0] * (width - length) for length in lengths])
    settings = dict(coefficient=0.1 * (seed % 4), gamma=[1.0, 0.97][seed % 2], lam=[0.9, 0.95, 0.0, 1.0][seed % 4], range=[0.2, 0.1][seed % 2], value_range=[0.2, 0.4][seed % 2])
    trainer = Trainer(**settings)
    policy, scores, values = -normal(6, width).abs(), normal(6), normal(6, width)
    reference, now, now_values = near(policy, 0.3), near(policy, 0.2).requires_grad_(), near(values, 0.4).requires_grad_()

    rewards, non_score, kls = trainer.compute_rewards(scores, policy, reference, mask)
    masked_values, advantages, returns = trainer.compute_advantages(values, rewards, mask)
    estimates = returns - masked_values
    logits = torch.zeros(6, width, 2, dtype=torch.float64)
    policy_loss, value_loss, stats = trainer.loss(policy, values, logits, now_values, now, mask, advantages, returns)
    (policy_loss + value_loss).backward()
    step = trainer.record_step_stats(0.0, masks=mask, kls=kls, logprobs=policy, ref_logprobs=reference, non_score_reward=non_score,
                                     scores=scores, queries=[[0]] * 6, responses=[[0]] * 6, train_stats={name: value for name, value in stats.items() if value.dim() == 0})

    moments, history = RunningMoments(Accelerator(cpu=True)), []
    for part in scores.split(3):
        moments.update(part)
        history.append(dict(mean=moments.mean, std=moments.std))
    adaptive, kl_seen = AdaptiveKLController(0.05, 6.0, 1000), [3.0, 20.0, 6.5]
    coefficients = []
    for kl in kl_seen:
        adaptive.update(kl, 64)
        coefficients.append(float(adaptive.value))

    def flat(tensor):
        return [value for row, length in zip(tensor.tolist(), lengths) for value in row[:length]]

    return dict(
        seed=seed, lengths=lengths, settings=dict(coefficient=settings["coefficient"], gamma=settings["gamma"], **{"lambda": settings["lam"]},
                                                  range=settings["range"], valueRange=settings["value_range"]),
        given=dict(scores=scores.tolist(), policy=flat(policy), reference=flat(reference), now=flat(now), values=flat(values), nowValues=flat(now_values)),
        rewards=flat(rewards), kl=step["objective/kl"].item(), returns=flat(returns), advantages=flat(estimates),
        whitened=flat(advantages),
        policyLoss=policy_loss.item(), policyGradient=flat(now.grad), valueLoss=value_loss.item(), valueGradient=flat(now_values.grad),
        approxkl=stats["policy/approxkl"].item(), ratio=masked_mean(stats["policy/ratio"], mask).item(),
        clipfrac=stats["policy/clipfrac"].item(), valueClipfrac=stats["val/clipfrac"].item(),
        moments=history, adaptive=dict(kl=kl_seen, coefficients=coefficients),
    )


def with_gradient(model, loss):
    """A loss as a number and the norm of its gradient; `model` is left without one."""
    loss.backward()
    norm = torch.sqrt(sum(parameter.grad.double().square().sum() for parameter in model.parameters() if parameter.grad is not None))
    model.zero_grad()
    return dict(loss=loss.item(), gradientNorm=norm.item())


def models(directory, seed):
    torch.manual_seed(seed)
    inputs = batch(ROWS, 0)
    mask = torch.tensor([[int(STARTS[row] <= index < len(tokens)) for index in range(1, inputs["input_ids"].shape[1])] for row, tokens in enumerate(ROWS)])
    config = hf.LlamaConfig(**SIZES)
    heads = dict(language=hf.LlamaForCausalLM(config), score=hf.LlamaForSequenceClassification(hf.LlamaConfig(**SIZES, num_labels=1)),
                 value=hf.LlamaForTokenClassification(hf.LlamaConfig(**SIZES, num_labels=1)))
    for head, model in heads.items():
        randomize(model.eval())
        model.get_input_embeddings().padding_idx = None
        model.save_pretrained(directory / str(seed) / head)
    language, score, value = heads.values()
    given = {name: normal(*mask.shape, scale=scale).float() for name, scale in dict(old=0.3, oldValues=0.4, advantages=1.0, returns=1.0).items()}

    labels = torch.where(mask == 1, inputs["input_ids"][:, 1:], -100)
    labels = torch.cat([torch.full((len(ROWS), 1), -100), labels], 1)
    found = dict(sft=with_gradient(language, language(**inputs, labels=labels).loss))

    chosen, rejected = batch(ROWS[:2], 0), batch(ROWS[2:], 0)
    pairs = dict(input_ids_chosen=chosen["input_ids"], attention_mask_chosen=chosen["attention_mask"],
                 input_ids_rejected=rejected["input_ids"], attention_mask_rejected=rejected["attention_mask"])
    reward_trainer = SimpleNamespace(use_reward_data_collator=True, args=SimpleNamespace(center_rewards_coefficient=None))
    found["reward"] = with_gradient(score, RewardTrainer.compute_loss(reward_trainer, score, pairs))

    logits = language(**inputs).logits[:, :-1]
    logprobs = logprobs_from_logits(logits, inputs["input_ids"][:, 1:])
    values = value(**inputs).logits[:, :-1, 0]
    old, old_values = (logprobs + given["old"]).detach(), (values + given["oldValues"]).detach()
    policy_loss, value_loss, stats = Trainer().loss(old, old_values, logits, values, logprobs, mask, given["advantages"], given["returns"])
    found["policy"] = with_gradient(language, policy_loss)
    found["value"] = with_gradient(value, value_loss)

    def flat(tensor):
        return tensor[mask == 1].tolist()

    return dict(directory=str(directory / str(seed)), **found, entropy=stats["policy/entropy"].item(),
                given=dict(old=flat(old), oldValues=flat(old_values), advantages=flat(given["advantages"]), returns=flat(given["returns"])))


def main(seeds, directory=None):
    hf.logging.set_verbosity_error()
    facts = dict(versions=dict(trl=trl.__version__, transformers=hf.__version__, torch=torch.__version__), tensors=[tensors(seed) for seed in range(int(seeds))])
    if directory is not None:
        facts |= dict(rows=ROWS, starts=STARTS, models=[models(Path(directory), seed) for seed in range(3)])
    print(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
