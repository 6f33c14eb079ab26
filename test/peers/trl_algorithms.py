"""What TRL's own code makes of the answers to a few prompts by RLOO, and of pairs by DPO; and GRPO, which TRL 0.11.4 lacks, from its formula.

usage: trl_algorithms.py SEEDS
Prints facts as JSON, one for each of SEEDS seeds. Inputs are float32 numbers and are computed with in float64.
RLOO's lines stand in the middle of RLOOTrainer.train, and the module of DPOTrainer imports what not every transformers has: both are
taken out of the package's source files and run as they are.
"""
import ast
import importlib.util
import inspect
import json
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
import trl
from trl.trainer.dpo_config import FDivergenceConstants, FDivergenceType
from trl.trainer.rloo_trainer import RLOOTrainer
from trl.trainer.utils import cap_exp

from trl_oracles import near, normal

GROUPS, SAMPLES, WIDTH = 3, 4, 9


def lines(function, first, last):
    """The statements of a function from the line that begins with `first` to the one that begins with `last`, compiled."""
    text = inspect.getsource(function).splitlines()
    start = next(index for index, line in enumerate(text) if line.strip().startswith(first))
    end = next(index for index, line in enumerate(text) if index >= start and line.strip().startswith(last))
    return compile(textwrap.dedent("\n".join(text[start:end + 1])), "rloo_trainer.py", "exec")


def method(module, name):
    """A method's function out of a module that is not imported, but for what it names: torch, F and f-divergences."""
    path = Path(importlib.util.find_spec("trl").origin).parent / "trainer" / f"{module}.py"
    tree = ast.parse(path.read_text())
    found = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name)
    scope = dict(torch=torch, F=F, Tuple=tuple, FDivergenceType=FDivergenceType, FDivergenceConstants=FDivergenceConstants, cap_exp=cap_exp)
    exec(compile(ast.Module([found], []), str(path), "exec"), scope)
    return scope[name]


ADVANTAGES = lines(RLOOTrainer.train, "kl = logprobs - ref_logprobs", "advantages = advantages.flatten()")
LOSS = lines(RLOOTrainer.train, "new_logprobs = new_logprobs.sum(1)", "pg_loss = pg_loss_max.mean()")
DPO_LOSS = method("dpo_trainer", "dpo_loss")


def rloo(scores, policy, reference, now, coefficient, cliprange):
    """TRL has the answers to a prompt rollouts apart, the first to all prompts before the second; here they lie side by side."""
    order = torch.arange(GROUPS * SAMPLES).reshape(GROUPS, SAMPLES).T.flatten()
    scope = dict(torch=torch, args=SimpleNamespace(kl_coef=coefficient, rloo_k=SAMPLES, cliprange=cliprange),
                 scores=scores[order], logprobs=policy[order], ref_logprobs=reference[order])
    exec(ADVANTAGES, scope)
    advantages = torch.empty(GROUPS * SAMPLES, dtype=torch.float64)
    advantages[order] = scope["advantages"]
    scope |= dict(new_logprobs=now, mb_logprobs=policy, mb_advantage=advantages)
    exec(LOSS, scope)
    return advantages, scope["pg_loss"]


def grpo(scores, policy, reference, now, mask, beta, cliprange):
    """Eq. 3 and 4 of arXiv 2402.03300; the deviation has the divisor n − 1, and 1e-4 added, as TRL's later GRPOTrainer has it."""
    groups = scores.reshape(GROUPS, SAMPLES)
    advantages = ((groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-4)).flatten()
    ratio = (now - policy).exp()
    surrogate = torch.min(ratio * advantages[:, None], ratio.clamp(1 - cliprange, 1 + cliprange) * advantages[:, None])
    k3 = (reference - now).exp() - (reference - now) - 1
    each = ((surrogate - beta * k3) * mask).sum(1) / mask.sum(1)
    return advantages, -each.mean()


def dpo(policy, reference, mask, loss_type, beta, smoothing):
    """The chosen answers of all pairs, then the rejected; `ipo` takes means over tokens, as concatenated_forward does."""
    length = mask.sum(1) if loss_type == "ipo" else torch.ones(len(mask))
    (chosen, rejected), (chosen_reference, rejected_reference) = [((each * mask).sum(1) / length).chunk(2) for each in (policy, reference)]
    trainer = SimpleNamespace(beta=beta, label_smoothing=smoothing, loss_type=loss_type, reference_free=False, f_divergence_type=FDivergenceType.REVERSE_KL,
                              f_divergence_params=None, accelerator=SimpleNamespace(device="cpu"))
    losses, chosen_rewards, rejected_rewards = DPO_LOSS(trainer, chosen, rejected, chosen_reference, rejected_reference)
    return losses.mean(), dict(chosen=chosen_rewards.mean().item(), rejected=rejected_rewards.mean().item(),
                               accuracies=(chosen_rewards > rejected_rewards).double().mean().item(), chosenLogps=chosen.mean().item())


def facts(seed):
    torch.manual_seed(seed)
    rows = GROUPS * SAMPLES
    lengths = torch.randint(1, WIDTH + 1, (rows,)).tolist()
    mask = torch.tensor([[1.0] * length + [0.0] * (WIDTH - length) for length in lengths]).double()
    settings = dict(coefficient=[0.05, 0.2][seed % 2], range=[0.2, 0.1][seed % 2], klLoss=[0.04, 0.3][seed % 2], beta=[0.1, 0.7][seed % 2], smoothing=[0.0, 0.2][seed % 2])
    # what is beyond an answer's end is the same everywhere and cancels, as TRL's INVALID_LOGPROB does
    policy, scores = -normal(rows, WIDTH).abs() * mask, normal(rows)
    reference, now = near(policy, 0.3) * mask, near(policy, 0.15) * mask

    def flat(tensor):
        return [value for row, length in zip(tensor.tolist(), lengths) for value in row[:length]]

    def with_gradient(compute):
        variable = now.clone().requires_grad_()
        first, second = compute(variable)
        loss, more = (first, second) if isinstance(second, dict) else (second, dict(advantages=first.tolist()))
        loss.backward()
        return dict(loss=loss.item(), gradient=flat(variable.grad), **more)

    return dict(
        lengths=lengths, samples=SAMPLES, settings=settings, given=dict(scores=scores.tolist(), policy=flat(policy), reference=flat(reference), now=flat(now)),
        rloo=with_gradient(lambda moved: rloo(scores, policy, reference, moved, settings["coefficient"], settings["range"])),
        grpo=with_gradient(lambda moved: grpo(scores, policy, reference, moved, mask, settings["klLoss"], settings["range"])),
        dpo={name: with_gradient(lambda moved: dpo(moved, reference, mask, name, settings["beta"], settings["smoothing"] if name == "sigmoid" else 0.0))
             for name in ("sigmoid", "hinge", "ipo")},
    )


if __name__ == "__main__":
    print(json.dumps(dict(versions=dict(trl=trl.__version__, torch=torch.__version__), seeds=[facts(seed) for seed in range(int(sys.argv[1]))])))
