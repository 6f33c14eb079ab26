"""The peers of bench/: PyTorch trains, transformers samples. Reads one JSON request a line, answers one a line."""

import json
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file


class Llama(torch.nn.Module):
    """A decoder written by hand on scaled_dot_product_attention: less overhead than transformers' own."""

    def __init__(self, directory):
        super().__init__()
        with open(f"{directory}/config.json") as file:
            self.config = json.load(file)
        tensors = load_file(f"{directory}/model.safetensors")
        self.weights = torch.nn.ParameterDict({name.replace(".", "/"): torch.nn.Parameter(tensor) for name, tensor in tensors.items()})
        size = self.config["head_dim"]
        frequencies = self.config["rope_theta"] ** (-torch.arange(0, size, 2).double() / size)
        angles = torch.outer(torch.arange(self.config["max_position_embeddings"]).double(), frequencies).repeat(1, 2)
        self.cos, self.sin = angles.cos().float(), angles.sin().float()

    def weight(self, name):
        return self.weights[f"{name}.weight".replace(".", "/")]

    def rotate(self, x):
        cos, sin = self.cos[: x.shape[2]], self.sin[: x.shape[2]]
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat((-second, first), dim=-1) * sin

    def forward(self, tokens):
        config = self.config
        batch, length = tokens.shape
        heads = lambda x, count: x.view(batch, length, count, config["head_dim"]).transpose(1, 2)
        norm = lambda x, name: F.rms_norm(x, (config["hidden_size"],), self.weight(name), config["rms_norm_eps"])
        x = F.embedding(tokens, self.weight("model.embed_tokens"))
        for layer in range(config["num_hidden_layers"]):
            at = f"model.layers.{layer}"
            h = norm(x, f"{at}.input_layernorm")
            q = heads(F.linear(h, self.weight(f"{at}.self_attn.q_proj")), config["num_attention_heads"])
            k = heads(F.linear(h, self.weight(f"{at}.self_attn.k_proj")), config["num_key_value_heads"])
            v = heads(F.linear(h, self.weight(f"{at}.self_attn.v_proj")), config["num_key_value_heads"])
            mixed = F.scaled_dot_product_attention(self.rotate(q), self.rotate(k), v, is_causal=True)
            x = x + F.linear(mixed.transpose(1, 2).reshape(batch, length, -1), self.weight(f"{at}.self_attn.o_proj"))
            h = norm(x, f"{at}.post_attention_layernorm")
            gated = F.silu(F.linear(h, self.weight(f"{at}.mlp.gate_proj"))) * F.linear(h, self.weight(f"{at}.mlp.up_proj"))
            x = x + F.linear(gated, self.weight(f"{at}.mlp.down_proj"))
        return F.linear(norm(x, "model.norm"), self.weight("model.embed_tokens"))


class Training:
    def __init__(self, directory, tokens):
        self.model = Llama(directory)
        self.tokens = torch.tensor(tokens)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, fused=True)

    def run(self):
        logits = self.model(self.tokens)[:, :-1]
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), self.tokens[:, 1:].reshape(-1))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()


class Sampling:
    def __init__(self, directory, tokens, new_tokens):
        from transformers import AutoModelForCausalLM
        self.model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="sdpa").eval()
        self.model.generation_config.eos_token_id = None
        self.tokens = torch.tensor(tokens)
        self.options = dict(
            do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=new_tokens, pad_token_id=0,
            attention_mask=torch.ones_like(self.tokens),
        )

    @torch.inference_mode()
    def run(self):
        return self.model.generate(self.tokens, **self.options).shape[1]


def peak_memory():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def main():
    task = None
    for line in sys.stdin:
        request = json.loads(line)
        if "threads" in request:
            torch.set_num_threads(request.pop("threads"))
            kind = request.pop("kind")
            task = Training(**request) if kind == "training" else Sampling(**request)
            answer = {"versions": {"torch": torch.__version__}}
        else:
            begin = time.perf_counter()
            result = task.run()
            answer = {"milliseconds": 1000 * (time.perf_counter() - begin), "result": result, "peakMemory": peak_memory()}
        print(json.dumps(answer), flush=True)


main()
