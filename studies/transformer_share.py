"""How much of a transformer is in its feed-forward blocks, and are these MLPs that see one token at a time?

Question. Document B (7.4, Q5) says that a two-layer MLP is applied to every token and that about two thirds of a
transformer's parameters are there, half or more of a language model's (7.5). Both documents name activations: GELU of
GPT and BERT, SiLU of LLaMA and EfficientNet, ReLU of CNNs. Document A says that the parameters of GPT are counted as
those of a layer are, inputs times outputs and biases.

Cost. A minute, and the packages of the extra `catalogue`.

What to expect. In the textbook's block attention has four matrices of d rows and d columns, the MLP two of 4 d by d.
That makes 4 d² and 8 d²: two thirds is arithmetic, of blocks of that kind. Embeddings take away from a model's share,
most in small models; cross-attention takes away from a block's; shared keys, wider MLPs and experts add to it.

Models are counted whole, on PyTorch's meta device, from the configurations that the package `transformers` ships; of
those whose defaults are a model that has a name, some of every kind. A parameter belongs to a block if its module is in
a list of layers; there it is a normalisation's by its class, attention's by its name, else the MLP's. Counts have no
seed: all seeds and tiers show the same. So regions are taken from the words: half, about two thirds (to five points),
a default (more than half).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from research.design.streams import stream
from research.design.study import Claim, Control, Factor, Metric, Number, Replicate, Study, Task, Tier
from research.design.task import Report

Array = np.ndarray
NAMES = {  # by what the package calls their configuration
    "bert": "BERT base", "roberta": "RoBERTa base", "distilbert": "DistilBERT", "deberta-v2": "DeBERTa v2 xlarge",
    "openai-gpt": "GPT", "gpt2": "GPT-2", "opt": "OPT 125M", "t5": "T5 small", "bart": "BART large",
    "gpt_neo": "GPT-Neo 1.3B", "gptj": "GPT-J 6B", "gpt_neox": "GPT-NeoX 20B", "phi": "Phi-1", "phi3": "Phi-3 mini",
    "gemma": "Gemma 7B", "gemma2": "Gemma 2 2B", "falcon": "Falcon 7B", "llama": "LLaMA 7B", "mistral": "Mistral 7B",
    "olmo": "OLMo 7B", "mixtral": "Mixtral 8x7B", "deepseek_v3": "DeepSeek-V3",
}  # fmt: skip
SMALL = tuple(NAMES)[:9]  # fewer than a billion parameters
LARGE = tuple(NAMES)[9:]
NAMED = ("bert", "openai-gpt", "gpt2", "llama")  # by the documents, mixtures apart
GPTS = ("openai-gpt", "gpt2", "gpt_neo", "gptj", "gpt_neox")
MASKED, TO_SEQUENCES, MIXTURES = SMALL[:4], ("t5", "bart"), ("mixtral", "deepseek_v3")
# The textbook's block: an MLP of d, 4d and d units, four matrices of attention, a bias for each unit.
TEXTBOOK = ("bert", "roberta", "distilbert", "deberta-v2", "openai-gpt", "gpt2", "opt", "gpt_neox")
PUBLISHED = {  # as model cards and papers give them
    "gpt2": 124_439_808, "t5": 60_506_624, "gptj": 6_050_882_784, "gpt_neox": 20_554_567_680, "llama": 6_738_415_616,
    "mistral": 7_241_732_096, "mixtral": 46_702_792_704,
}  # fmt: skip
CNNS = ("bit", "convnext", "convnextv2", "efficientnet", "mobilenet_v1", "mobilenet_v2", "regnet", "resnet")
ACTIVATION_FIELDS = ("hidden_act", "activation_function", "hidden_activation", "afn", "dense_act_fn", "activation")
OF_GELU = ("gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_python", "gelu_10", "gelu_accurate")
OF_RELU = ("relu", "relu6", "leaky_relu", "prelu")
normal_below = np.vectorize(lambda z: math.erfc(-z / math.sqrt(2)) / 2)
ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "gelu": lambda z: z * normal_below(z),
    "gelu_new": lambda z: z / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "relu": lambda z: np.maximum(z, 0),
}
PARTS = {"mlp": "MLP", "attention": "attention", "norm": "normalisation", "rest": "embeddings and outputs"}


def activation_of(config: Any) -> str:
    """The name of the activation that a configuration has; empty if it names none."""
    found = (getattr(config, name, None) for name in ACTIVATION_FIELDS)
    return next((name for name in found if isinstance(name, str)), "")


@cache
def empty_model(model: str, head: str) -> Any:
    """A model without memory: on the meta device. `head` is "own", what it is trained with, or "none"."""
    import torch
    import transformers as package

    own = package.AutoModelForMaskedLM if model in MASKED else package.AutoModelForCausalLM
    own = package.AutoModelForSeq2SeqLM if model in TO_SEQUENCES else own
    with torch.device("meta"):
        return (package.AutoModel if head == "none" else own).from_config(package.CONFIG_MAPPING[model]())


def part_of(model: Any, name: str) -> str:
    """Which part a parameter belongs to, by its place."""
    places = name.split(".")
    if not any(place.isdigit() for place in places):
        return "rest"
    if "Norm" in type(model.get_submodule(".".join(places[:-1]))).__name__:
        return "norm"
    return "attention" if any("attn" in place.lower() or "attention" in place.lower() for place in places) else "mlp"


@cache
def counted(model: str, head: str, experts: str) -> Mapping[str, float]:
    """The parameters in each part; those that two modules share once. "active": the experts that a token goes to."""
    found, empty = dict.fromkeys(PARTS, 0.0), empty_model(model, head)
    share = 1.0
    if experts == "active":
        config = empty.config
        every = getattr(config, "n_routed_experts", None) or config.num_local_experts
        share = config.num_experts_per_tok / every
    for name, parameter in empty.named_parameters():
        found[part_of(empty, name)] += parameter.numel() * (share if "experts" in name.split(".") else 1.0)
    return found


def by_layers(model: str) -> float:
    """All parameters layer by layer: inputs times outputs and biases, a row a token, a weight and a bias a unit."""
    total, seen = 0, set()
    for layer in empty_model(model, "own").modules():
        weight = getattr(layer, "weight", None)
        if weight is None or id(weight) in seen:
            continue
        seen.add(id(weight))
        kind = type(layer).__name__
        if kind == "Linear":
            total += layer.in_features * layer.out_features + layer.out_features * (layer.bias is not None)
        elif kind == "Conv1D":  # the package's name of a linear layer
            total += layer.nx * layer.nf + layer.nf
        elif kind == "Embedding":
            total += layer.num_embeddings * layer.embedding_dim
        else:
            total += 2 * math.prod(layer.normalized_shape)
    return float(total)


def activation_differences(config: Any) -> dict[str, float]:
    """How far the activation of a configuration is from GELU and SiLU at most, from -8 to 8."""
    import torch
    from transformers.activations import ACT2FN

    z = np.linspace(-8, 8, 1601)
    own = ACT2FN[activation_of(config)](torch.from_numpy(z)).numpy()
    return {f"{name}_difference": float(np.abs(own - ACTIVATIONS[name](z)).max()) for name in ("gelu", "silu")}


LIKE = {f"{name}_difference": Metric(promised=True, label=f"largest difference of its activation from {word}")
        for name, word in (("gelu", "GELU"), ("silu", "SiLU"))}  # fmt: skip


@dataclass(frozen=True)
class OfPackage(Task):
    """What the package `transformers` ships: of each seed the same."""

    imports = ("torch", "transformers")
    extra = "catalogue"

    @abstractmethod
    def numbers(self) -> dict[str, float]:
        """What is counted."""

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        found = self.numbers()
        yield from (Replicate(seed, found) for seed in seeds)

    def seconds(self, num_seeds: int) -> float:
        return 0.5


@dataclass(frozen=True)
class Counted(OfPackage):
    """The parameters of a transformer, part by part."""

    model: str
    head: str = "own"
    experts: str = "all"

    def gives(self) -> Mapping[str, Metric]:
        known = {
            "block_share": Metric(promised=True, unit="%", label="share of the MLPs in the blocks' parameters"),
            "model_share": Metric(promised=True, unit="%", label="share of the MLPs in the model's parameters"),
            "block_from_two_thirds": Metric(promised=True, unit="%", label="distance of the share in blocks from 2/3"),
            "model_from_two_thirds": Metric(promised=True, unit="%", label="distance of the model's share from 2/3"),
            "parameters": Metric(promised=True, label="parameters"),
            **{f"{part}_parameters": Metric(promised=True, label=f"parameters of {word}")
               for part, word in PARTS.items()},
            **LIKE,
        }  # fmt: skip
        if self.model in TEXTBOOK:
            known["off_textbook"] = Metric(promised=True, label="parameters of MLPs and attention beyond the formulas")
        if self.model in PUBLISHED:
            known["off_published"] = Metric(promised=True, label="parameters beyond those published")
        if self.model in GPTS:
            known["off_layers"] = Metric(promised=True, label="parameters beyond those of all layers")
        return known

    def numbers(self) -> dict[str, float]:
        parts, config = counted(self.model, self.head, self.experts), empty_model(self.model, self.head).config
        total = sum(parts.values())
        shares = {"block": parts["mlp"] / (total - parts["rest"]), "model": parts["mlp"] / total}
        found = {f"{place}_share": share for place, share in shares.items()}
        found |= {f"{place}_from_two_thirds": abs(share - 2 / 3) for place, share in shares.items()}
        found |= {f"{part}_parameters": count for part, count in parts.items()} | {"parameters": total}
        found |= activation_differences(config)
        whole = sum(counted(self.model, "own", "all").values())
        if self.model in TEXTBOOK:
            d, depth = config.hidden_size, config.num_hidden_layers
            gaps = (parts["mlp"] - depth * (8 * d**2 + 5 * d), parts["attention"] - depth * (4 * d**2 + 4 * d))
            found["off_textbook"] = max(map(abs, gaps))
        if self.model in PUBLISHED:
            found["off_published"] = abs(whole - PUBLISHED[self.model])
        if self.model in GPTS:
            found["off_layers"] = abs(whole - by_layers(self.model))
        return found


@dataclass(frozen=True)
class Census(OfPackage):
    """Which activations the configurations of language models and of CNNs in the package have by default."""

    def gives(self) -> Mapping[str, Metric]:
        return {
            "gelu_of_language": Metric(promised=True, unit="%", label="share of GELU in language models"),
            "silu_of_language": Metric(promised=True, unit="%", label="share of SiLU in language models"),
            "relu_of_cnns": Metric(promised=True, unit="%", label="share of ReLU and its variants in CNNs"),
            "language_models": Metric(promised=True, label="language models that name an activation"),
            **{f"efficientnet_{name}": metric for name, metric in LIKE.items()},
        }

    def numbers(self) -> dict[str, float]:
        from transformers import CONFIG_MAPPING, logging
        from transformers.models.auto import modeling_auto as auto

        logging.set_verbosity_error()
        kinds = ("CAUSAL_LM", "MASKED_LM", "SEQ_TO_SEQ_CAUSAL_LM")
        models = sorted(set().union(*(getattr(auto, f"MODEL_FOR_{kind}_MAPPING_NAMES") for kind in kinds)))
        language = [name for model in models if (name := self.default(model))]
        cnns = [self.default(model) for model in CNNS]
        return {
            "gelu_of_language": sum(name in OF_GELU for name in language) / len(language),
            "silu_of_language": sum(name in ("silu", "swish") for name in language) / len(language),
            "relu_of_cnns": sum(name in OF_RELU for name in cnns) / len(cnns),
            "language_models": float(len(language)),
            **{f"efficientnet_{name}": value
               for name, value in activation_differences(CONFIG_MAPPING["efficientnet"]()).items()},
        }  # fmt: skip

    def seconds(self, num_seeds: int) -> float:
        return 5.0  # hundreds of modules are imported

    def default(self, model: str) -> str:
        """The activation of a model's configuration by default; empty where it names none or has no default."""
        from transformers import CONFIG_MAPPING

        try:
            return activation_of(CONFIG_MAPPING[model]())
        except Exception:  # noqa: BLE001 (what is raised is the package's own affair: some need other configurations)
            return ""


SIZES: Mapping[str, Mapping[str, int]] = {
    "bert": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 128},
    "gpt2": {"n_embd": 32, "n_layer": 1, "n_head": 4},
    "t5": {"d_model": 32, "d_kv": 8, "d_ff": 128, "num_layers": 1, "num_heads": 4},
    "llama": {"hidden_size": 32, "intermediate_size": 88, "num_hidden_layers": 1, "num_attention_heads": 4,
              "num_key_value_heads": 4},
}  # fmt: skip


@dataclass(frozen=True)
class Block(Task):
    """The MLP of one block of a small model with random weights, on random tokens, in float64.

    It is applied to all tokens at once and to each alone, and held against its formula, typed here.
    """

    imports = ("torch", "transformers")
    extra = "catalogue"
    words: ClassVar[Mapping[str, str]] = {"model": "architecture"}

    model: str

    def gives(self) -> Mapping[str, Metric]:
        return {
            "alone_difference": Metric(promised=True, label="difference of tokens alone from tokens together"),
            "formula_difference": Metric(promised=True, label="difference from two layers of weights and biases"),
            "gated_difference": Metric(promised=True, label="difference from two layers and a gate"),
            "reach": Metric(promised=True, label="change of the last token's output where the first token is another"),
        }

    def seconds(self, num_seeds: int) -> float:
        return 0.05 * num_seeds

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        import torch
        from transformers import CONFIG_MAPPING, AutoModel

        for seed in seeds:
            rng = stream(seed, "tokens and blocks")
            torch.manual_seed(int(rng.integers(2**31)))
            model = AutoModel.from_config(CONFIG_MAPPING[self.model](vocab_size=50, **SIZES[self.model]))
            model = model.double().eval()
            tokens = torch.from_numpy(rng.standard_normal((2, 7, 32)))
            other = tokens.clone()
            other[:, 0] = torch.from_numpy(rng.standard_normal((2, 32)))
            body = model.encoder if self.model == "t5" else model
            with torch.no_grad():
                together = self.mlp(model, tokens)
                alone = torch.stack([self.mlp(model, tokens[:, [at]])[:, 0] for at in range(tokens.shape[1])], 1)
                ends = [body(inputs_embeds=each).last_hidden_state[:, -1] for each in (tokens, other)]
                matrices = self.matrices(model)
            x, out = tokens.numpy(), together.numpy()
            (first, bias), (last, last_bias), (gate, _) = matrices
            act = ACTIVATIONS[{"bert": "gelu", "gpt2": "gelu_new", "t5": "relu", "llama": "silu"}[self.model]]
            plain = act(x @ first + bias) @ last + last_bias
            gated = (act(x @ first + bias) * (x @ gate)) @ last + last_bias
            yield Replicate(seed, {
                "alone_difference": float((alone - together).abs().max()),
                "formula_difference": float(np.abs(plain - out).max() / np.abs(out).max()),
                "gated_difference": float(np.abs(gated - out).max() / np.abs(out).max()),
                "reach": float((ends[0] - ends[1]).abs().max()),
            })  # fmt: skip

    def mlp(self, model: Any, tokens: Any) -> Any:
        """What the block's MLP makes of tokens [N, T, 32], without its skip."""
        if self.model == "bert":
            layer = model.encoder.layer[0]
            return layer.output.dense(layer.intermediate(tokens))
        if self.model == "t5":
            return model.encoder.block[0].layer[-1].DenseReluDense(tokens)
        return (model.h if self.model == "gpt2" else model.layers)[0].mlp(tokens)

    def matrices(self, model: Any) -> list[tuple[Array, Any]]:
        """Weights [in, out] and biases of the first layer, the last and the gate, or the first where none is."""
        if self.model == "bert":
            layers = [model.encoder.layer[0].intermediate.dense, model.encoder.layer[0].output.dense]
        elif self.model == "gpt2":
            layers = [model.h[0].mlp.c_fc, model.h[0].mlp.c_proj]
        elif self.model == "t5":
            inner = model.encoder.block[0].layer[-1].DenseReluDense
            layers = [inner.wi, inner.wo]
        else:
            inner = model.layers[0].mlp
            layers = [inner.gate_proj, inner.down_proj, inner.up_proj]
        found = [
            ((each.weight if self.model == "gpt2" else each.weight.T).numpy(),
             0.0 if getattr(each, "bias", None) is None else each.bias.numpy())
            for each in layers
        ]  # fmt: skip
        return found if len(found) == 3 else [*found, found[0]]


def configure(case: str, head: str, experts: str) -> Task:
    if case == "census":
        return Census()
    if case.startswith("block-"):
        return Block(case.removeprefix("block-"))
    return Counted(case, head, experts if case in MIXTURES else "all")


def of(metric: str, *cases: str, join: str = "max") -> Number:
    return Number(metric, cases, {}, join if len(cases) > 1 else "only", "only")  # type: ignore[arg-type]


def always(name: str, text: str, passage: str, number: Number, by_hand: str = "", **region: float) -> Claim:
    return Claim(name, text, passage, "always", number, by_hand=by_hand, **region)


def identity(name: str, text: str, passage: str, number: Number, below: float) -> Claim:
    return Claim(name, text, passage, "identity", number, below=below)


BLOCKS = tuple(f"block-{model}" for model in SIZES)
ABOUT = "five points count as about"
SHARES = (
    "two-thirds-of-blocks", "two-thirds-of-models", "two-thirds-of-every-block", "two-thirds-to-sequences",
    "two-thirds-of-mixtures", "textbook-is-two-thirds", "half-or-more", "half-or-more-of-small", "counted-by-shapes",
)  # fmt: skip
STUDY = Study(
    name="transformer_share",
    question="How much of a transformer is in its MLPs, and do these see one token at a time?",
    passage="A (Softmax Regression, ReLU Activation Function), B 3.3, 6.3, 7.1, 7.4, 7.5, Q5",
    says="A transformer applies a two-layer MLP to every token; about two thirds of its parameters are there, half or "
    "more of a language model's. GPT and BERT use GELU, LLaMA and EfficientNet SiLU, CNNs ReLU and its variants.",
    configure=configure,
    arms=Factor("case", (*NAMES, *BLOCKS, "census"), words={
        **NAMES, "census": "all configurations of the package",
        **{f"block-{model}": f"a small {name}" for model, name in
           {"bert": "BERT", "gpt2": "GPT-2", "t5": "T5", "llama": "LLaMA"}.items()},
    }),
    blocks=(),
    choices=(
        Factor("head", ("own", "none"), "head", "{}", {"own": "with their own heads", "none": "without heads"}),
        Factor("experts", ("all", "active"), "experts", "with {} experts counted", {"active": "a token's"}),
    ),
    universes=({"head": "none"}, {"experts": "active"}),
    universe_reasons="What counts as the model: with the head that it is trained with or without, and of a mixture all "
    "experts or those that a token goes to. Left out: other sizes of the same models.",
    tiers={"full": Tier(seeds=20, universe_seeds=8, first_seed=200), "smoke": Tier(seeds=2)},
    headline=("block_share", "model_share"),
    controls=(
        Control("as-published", "Exact: whole models have the parameters that are published of them.",
                of("off_published", *PUBLISHED), below=0.5, kind="identity", guards=SHARES),
        Control("as-the-formulas", "Exact: textbook blocks have 8 d² + 5 d in their MLP and 4 d² + 4 d in attention.",
                of("off_textbook", *TEXTBOOK), below=0.5, kind="identity", guards=SHARES),
        Control("attention-reaches", "An effect that must show: the output for a token depends on other tokens.",
                of("reach", *BLOCKS, join="min"), above=1e-6, kind="always", guards=("token-by-token",)),
    ),
    claims=(
        always("two-thirds-of-blocks", "In the blocks of BERT, GPT, GPT-2 and LLaMA two thirds are in MLPs.",
               "B 7.4, Q5", of("block_from_two_thirds", *NAMED), ABOUT, below=0.05),
        always("two-thirds-of-models", "Of BERT, GPT, GPT-2 and LLaMA, all told, two thirds are in MLPs.", "B 7.4, Q5",
               of("model_from_two_thirds", *NAMED), ABOUT, below=0.05),
        always("two-thirds-of-every-block", "In the blocks of all 22 transformers two thirds are in MLPs.", "project",
               of("block_from_two_thirds", *NAMES), ABOUT, below=0.05),
        always("two-thirds-to-sequences", "In the blocks of T5 and BART, which have cross-attention, it is two thirds.",
               "project", of("block_from_two_thirds", *TO_SEQUENCES), ABOUT, below=0.05),
        always("two-thirds-of-mixtures", "In the blocks of mixtures of experts it is two thirds.", "project",
               of("block_from_two_thirds", *MIXTURES), ABOUT, below=0.05),
        # what biases and normalisations make is less than 1 / d
        always("textbook-is-two-thirds", "In textbook blocks it is two thirds, to half a point.", "project",
               of("block_from_two_thirds", *TEXTBOOK), below=0.005),
        always("half-or-more", "Of all language models above a billion parameters half or more is in MLPs.",
               "B 7.5, Q5", of("model_share", *LARGE, join="min"), above=0.5),
        always("half-or-more-of-small", "Of the smaller ones too.", "project", of("model_share", *SMALL, join="min"),
               above=0.5),
        identity("counted-by-shapes", "GPT's parameters are inputs times outputs and biases, added up over its layers.",
                 "A (Softmax Regression)", of("off_layers", *GPTS), below=0.5),
        identity("token-by-token", "The MLP is applied to each token by itself.", "B 7.4, Q5",
                 of("alone_difference", *BLOCKS), below=1e-12),
        identity("two-layers", "The MLP of BERT, GPT-2 and T5 is two layers with an activation between.", "B 7.4, 7.5",
                 of("formula_difference", *BLOCKS[:3]), below=1e-10),
        identity("two-layers-of-llama", "The MLP of LLaMA is two layers with an activation between.", "B 7.4, 7.5",
                 of("formula_difference", "block-llama"), below=1e-10),
        identity("two-layers-and-a-gate", "LLaMA's has a third matrix, which gates the hidden units.", "project",
                 of("gated_difference", "block-llama"), below=1e-10),
        # the approximation by tanh, which GPT and GPT-2 use, is within a thousandth
        identity("gelu-of-gpt-and-bert", "BERT, GPT and GPT-2 use GELU, to a thousandth.",
                 "A (ReLU Activation Function), B 6.3, 7.1", of("gelu_difference", "bert", "openai-gpt", "gpt2"),
                 below=0.001),
        identity("silu-of-llama", "LLaMA uses SiLU.", "B 7.1", of("silu_difference", "llama"), below=1e-10),
        identity("silu-of-efficientnet", "EfficientNet uses SiLU.", "B 7.1",
                 of("efficientnet_silu_difference", "census"), below=1e-10),
        always("gelu-is-the-default", "GELU is the default of transformers: of more than half of language models.",
               "B 3.3", of("gelu_of_language", "census"), above=0.5),
        always("relu-of-cnns", "ReLU and its variants are the default of CNNs: of more than half of them.",
               "B 6.3, 7.1", of("relu_of_cnns", "census"), above=0.5),
    ),
)  # fmt: skip
