import { describe, expect, it } from "vitest";
import { faultsOf, pipeline, type Members } from "./pipeline.js";

type Change = (spec: ReturnType<typeof pipeline>) => void;
const inStage = (stage: string, members: Members): Change => (spec) => { Object.assign(spec.stages[stage]!, members); };
const without = (stage: string, member: string): Change => (spec) => { Reflect.deleteProperty(spec.stages[stage]!, member); };

const criticless = (members: Members): Change => (spec) => { without("ppo", "critic")(spec); inStage("ppo", members)(spec); };

const guarding = (guard: Members, members: Members = {}): Change => inStage("ppo", { ...members, guards: { g: guard } });

const quizzing = (members: Members): Change => ({ data, stages }) => {
  data["quiz"] = { format: "multiple-choice", path: "quiz.csv" };
  stages["quiz"] = { kind: "multiple-choice", model: "sft", questions: "quiz", ...members };
};

/** What is changed, the field at fault, its code, words of the message, words of the hint. */
const cases: readonly (readonly [name: string, change: Change, field: string, code: string, message: string, hint?: string])[] = [
  ["a misspelt trick", inStage("ppo", { tricks: { klPenality: {} } }), "stages.ppo.tricks.klPenality", "TL_SPEC_UNKNOWN_FIELD", "no trick", "`klPenality`: did you mean `klPenalty`?"],
  ["a misspelt parameter of a trick", inStage("ppo", { tricks: { gae: { lamda: 1 } } }), "stages.ppo.tricks.gae.lamda", "TL_SPEC_UNKNOWN_FIELD", "`gae`", "`lambda`"],
  ["a trick switched on with true", inStage("ppo", { tricks: { entropyBonus: true } }), "stages.ppo.tricks.entropyBonus", "TL_SPEC_WRONG_TYPE", "`false` or an object", "`{}` turns it on"],
  ["a field by what other programs call it", inStage("sft", { batchSize: 8 }), "stages.sft.batchSize", "TL_SPEC_UNKNOWN_FIELD", "`sft` stages", "`batch`"],
  ["a field that stands too far out", inStage("ppo", { gpus: 1 }), "stages.ppo.gpus", "TL_SPEC_UNKNOWN_FIELD", "`ppo` stages", "it is a field of `resources`"],
  ["a parameter of a trick that stands too far out", inStage("ppo", { gamma: 1 }), "stages.ppo.gamma", "TL_SPEC_UNKNOWN_FIELD", "`ppo` stages", "it is a field of `tricks.gae`"],
  ["a field that one other kind has", inStage("sft", { vocabulary: 300 }), "stages.sft.vocabulary", "TL_SPEC_UNKNOWN_FIELD", "`sft` stages", "it is a field of `tokenizer` stages"],
  ["a field that nothing has", inStage("ppo", { zeal: 1 }), "stages.ppo.zeal", "TL_SPEC_UNKNOWN_FIELD", "`ppo` stages", "docs/spec.md lists the fields"],
  ["a percentage where a share belongs", (spec) => { spec.data["hh"]!["holdout"] = 15; }, "data.hh.holdout", "TL_SPEC_WRONG_VALUE", "less than 1", "15 % is 0.15"],
  ["a percentage as text", (spec) => { spec.data["hh"]!["holdout"] = "7 %"; }, "data.hh.holdout", "TL_SPEC_WRONG_TYPE", "has to be a number", "write 0.07"],
  ["null where a value belongs", inStage("ppo", { gold: null }), "stages.ppo.gold", "TL_SPEC_WRONG_TYPE", "`gold` is null", "leave it out"],
  ["true where a name belongs", inStage("ppo", { gold: true }), "stages.ppo.gold", "TL_SPEC_WRONG_TYPE", "text in quotes", "write \"sample\""],
  ["a number where settings belong", inStage("ppo", { checkpoint: 20 }), "stages.ppo.checkpoint", "TL_SPEC_WRONG_TYPE", "an object", "`everySteps`, `everySeconds`"],
  ["a name where settings that need one belong", (spec) => { spec["approval"] = "ppo"; }, "approval", "TL_SPEC_WRONG_TYPE", "an object", "write {\"before\": …}"],
  ["a list where names with objects belong", inStage("ppo", { guards: [{ metric: "objective/kl", above: 1 }] }), "stages.ppo.guards", "TL_SPEC_WRONG_TYPE", "an object", "{\"NAME\": …}"],
  ["an object where a list belongs", (spec) => { spec["notify"] = { url: "https://hooks.example" }; }, "notify", "TL_SPEC_WRONG_TYPE", "a list", "put it in a list"],
  ["a missing version", (spec) => { delete spec["version"]; }, "version", "TL_SPEC_MISSING_FIELD", "`version` is missing", "`version`: 1"],
  ["a file where the name of its entry belongs", inStage("sft", { data: "hh.jsonl" }), "stages.sft.data", "TL_SPEC_UNKNOWN_REFERENCE", "no data entry `hh.jsonl`", "\"path\": \"hh.jsonl\""],
  ["a model of a hub where the name of its entry belongs", inStage("sft", { model: "Qwen/Qwen2-0.5B" }), "stages.sft.model", "TL_SPEC_UNKNOWN_REFERENCE", "no stage or model", "nothing is downloaded"],
  ["a data entry where a model belongs", inStage("sft", { model: "book" }), "stages.sft.model", "TL_SPEC_WRONG_REFERENCE", "`book` is a data entry", "`base`, `ppo`, `tiny` would do"],
  ["data of a format that does not serve", inStage("rm", { data: "book" }), "stages.rm.data", "TL_SPEC_DATA_USE", "holds no pairs", "`hh` would do"],
  ["a field of another kind", inStage("sft", { policy: "base" }), "stages.sft.policy", "TL_SPEC_UNKNOWN_FIELD", "`sft` stages"],
  ["a missing field", without("rm", "data"), "stages.rm.data", "TL_SPEC_MISSING_FIELD", "missing from the `reward-model` stage", "data entry with pairs"],
  ["a missing kind", without("rm", "kind"), "stages.rm.kind", "TL_SPEC_MISSING_FIELD", "`kind` is missing"],
  ["an unknown kind", inStage("rm", { kind: "reward_modle" }), "stages.rm.kind", "TL_SPEC_WRONG_VALUE", "reward_modle", "`reward-model`"],
  ["an unknown preset", inStage("ppo", { preset: "ppomax" }), "stages.ppo.preset", "TL_SPEC_WRONG_VALUE", "ppomax", "`ppo-max`"],
  ["a number as text", inStage("sft", { epochs: "2" }), "stages.sft.epochs", "TL_SPEC_WRONG_TYPE", "has to be a number", "write 2 without quotes"],
  ["a fraction where a whole number belongs", inStage("sft", { batch: 1.5 }), "stages.sft.batch", "TL_SPEC_WRONG_TYPE", "a whole number"],
  ["a value out of range", inStage("ppo", { topP: 1.5 }), "stages.ppo.topP", "TL_SPEC_WRONG_VALUE", "at most 1"],
  ["steps that nobody lives to see", inStage("ppo", { steps: 1e15 }), "stages.ppo.steps", "TL_SPEC_WRONG_VALUE", "`steps` is 1000000000000000; it has to be at most 100000000"],
  ["a batch that no machine holds", inStage("sft", { batch: 1e9 }), "stages.sft.batch", "TL_SPEC_WRONG_VALUE", "at most 1000000"],
  ["vLLM on the embedded backend", inStage("ppo", { generation: "vllm" }), "stages.ppo.generation", "TL_SPEC_CONFLICT", "vLLM samples for the torch backend", "`\"backend\": \"torch\"`"],
  ["another sampler", inStage("ppo", { generation: "sglang" }), "stages.ppo.generation", "TL_SPEC_WRONG_VALUE", "sglang", "`vllm`"],
  ["text where memory belongs", inStage("ppo", { resources: { memory: "lots" } }), "stages.ppo.resources.memory", "TL_SPEC_WRONG_VALUE", "lots", "80GB"],
  ["memory of GPUs that nobody asked for", inStage("ppo", { resources: { memory: "80GB" } }), "stages.ppo.resources.memory", "TL_SPEC_CONFLICT", "takes no GPU", "`\"gpus\": 1`"],
  ["a question that would draw on a terminal", (spec) => { spec["approval"] = { before: "ppo", question: "Go?\u001b[2J" }; }, "approval.question", "TL_SPEC_WRONG_VALUE", "question", "control character"],
  ["an empty list", inStage("bpe", { data: [] }), "stages.bpe.data", "TL_SPEC_WRONG_VALUE", "empty"],
  ["a spec of another version", (spec) => { spec["version"] = 2; }, "version", "TL_SPEC_WRONG_VALUE", "`version`", "`1`"],
  ["a name that is none", (spec) => { spec.stages["my stage"] = spec.stages["sft"]!; }, "stages.my stage", "TL_SPEC_WRONG_VALUE", "is no name"],
  ["a model with a misspelt size", (spec) => { spec.models["tiny"] = { ...spec.models["tiny"], layer: 2 }; }, "models.tiny.layer", "TL_SPEC_UNKNOWN_FIELD", "this model", "`layers`"],
  ["heads that do not divide the width", (spec) => { spec.models["tiny"]!["heads"] = 3; }, "models.tiny.heads", "TL_SPEC_WRONG_VALUE", "does not divide"],
  ["a field that GPT-2 does not have", (spec) => { Object.assign(spec.models["tiny"]!, { architecture: "gpt2", ropeTheta: 5000 }); }, "models.tiny.ropeTheta", "TL_SPEC_WRONG_VALUE", "a gpt2 model has no `ropeTheta`"],
  ["a window that Qwen2 from scratch does not have", (spec) => { Object.assign(spec.models["tiny"]!, { architecture: "qwen2", window: 8 }); }, "models.tiny.window", "TL_SPEC_WRONG_VALUE", "a qwen2 model has no `window`"],
  ["an odd head by name", (spec) => { Object.assign(spec.models["tiny"]!, { architecture: "qwen3", headSize: 5 }); }, "models.tiny.headSize", "TL_SPEC_WRONG_VALUE", "odd"],
  ["an architecture that is none", (spec) => { spec.models["tiny"]!["architecture"] = "lama"; }, "models.tiny.architecture", "TL_SPEC_WRONG_VALUE", "architecture"],
  ["an odd head", (spec) => { spec.models["tiny"]!["hidden"] = 6; }, "models.tiny.heads", "TL_SPEC_WRONG_VALUE", "odd"],
  ["key-value heads that do not divide the heads", (spec) => { Object.assign(spec.models["tiny"]!, { heads: 4, keyValueHeads: 3 }); }, "models.tiny.keyValueHeads", "TL_SPEC_WRONG_VALUE", "do not divide"],
  ["a model of absurd width", (spec) => { spec.models["tiny"]!["hidden"] = 1_000_000; }, "models.tiny.hidden", "TL_SPEC_WRONG_VALUE", "holds at most 4 GiB a model", "16 bytes a parameter"],
  ["a model of absurd depth", (spec) => { spec.models["tiny"]!["layers"] = 1e12; }, "models.tiny.layers", "TL_SPEC_WRONG_VALUE", "would have 1.3e+16 parameters"],
  ["a minibatch of more answers than a step has", inStage("ppo", { rollouts: 64, minibatch: 65 }), "stages.ppo.minibatch", "TL_SPEC_WRONG_VALUE", "`minibatch` is 65, and a step has only 64 answers", "at most 64"],
  ["the same of the critic", inStage("critic", { rollouts: 8, minibatch: 9 }), "stages.critic.minibatch", "TL_SPEC_WRONG_VALUE", "only 8 answers"],
  ["an unknown stage", inStage("eval", { candidate: "pop" }), "stages.eval.candidate", "TL_SPEC_UNKNOWN_REFERENCE", "no stage or model `pop`", "`ppo`"],
  ["an unknown data entry", inStage("sft", { data: "hhh" }), "stages.sft.data", "TL_SPEC_UNKNOWN_REFERENCE", "no data entry `hhh`", "`hh`"],
  ["an unknown entry in a list of data", inStage("bpe", { data: ["hh", "boook"] }), "stages.bpe.data.1", "TL_SPEC_UNKNOWN_REFERENCE", "`boook`", "`book`"],
  ["a reward model as policy", inStage("ppo", { policy: "rm" }), "stages.ppo.policy", "TL_SPEC_WRONG_REFERENCE", "`rm` is a reward model; `policy` wants a language model", "`sft`"],
  ["a value model as reward", inStage("ppo", { reward: "critic" }), "stages.ppo.reward", "TL_SPEC_WRONG_REFERENCE", "is a value model", "`rm` would do"],
  ["a data entry as model", inStage("sft", { model: "hh" }), "stages.sft.model", "TL_SPEC_WRONG_REFERENCE", "is a data entry"],
  ["a stage as data", inStage("sft", { data: "base" }), "stages.sft.data", "TL_SPEC_WRONG_REFERENCE", "a data entry or a stage of kind `preferences`"],
  ["plain text where pairs are needed", inStage("rm", { data: "book" }), "stages.rm.data", "TL_SPEC_DATA_USE", "holds no pairs", "hh-rlhf, preference"],
  ["a tokenizer that is another kind", (spec) => { spec.models["tiny"]!["tokenizer"] = "sft"; }, "models.tiny.tokenizer", "TL_SPEC_WRONG_REFERENCE", "stage of kind `tokenizer`", "`bpe`"],
  ["a tokenizer that is not there", (spec) => { spec.models["tiny"]!["tokenizer"] = "bp"; }, "models.tiny.tokenizer", "TL_SPEC_UNKNOWN_REFERENCE", "no stage `bp`", "`bpe`"],
  ["a stage and a model of one name", (spec) => { spec.models["sft"] = spec.models["tiny"]!; }, "stages.sft", "TL_SPEC_NAME_TAKEN", "a stage and a model"],
  ["a stage that waits for itself", inStage("base", { model: "base" }), "stages.base.model", "TL_SPEC_CYCLE", "waits for itself"],
  ["a circle", inStage("base", { model: "ppo" }), "stages.base.model", "TL_SPEC_CYCLE", "`base` → `ppo` → `sft` → `base`"],
  ["adaptive KL without KL", inStage("ppo", { tricks: { klPenalty: false, adaptiveKl: {} } }), "stages.ppo.tricks.adaptiveKl", "TL_SPEC_CONFLICT", "which is off"],
  ["a pretraining loss without data", (spec) => { delete spec.stages["ppo"]!["pretrainingData"]; spec.stages["ppo"]!["tricks"] = { pretrainingLoss: {} }; }, "stages.ppo.tricks.pretrainingLoss", "TL_SPEC_CONFLICT", "names no `pretrainingData`"],
  ["a held-out reward model that trains the policy", inStage("ppo", { heldOutReward: "rm" }), "stages.ppo.heldOutReward", "TL_SPEC_CONFLICT", "`rm` trains the policy", "another seed"],
  ["no critic where one is needed", without("ppo", "critic"), "stages.ppo.critic", "TL_SPEC_MISSING_FIELD", "missing from the `ppo` stage", "`rloo`"],
  ["a critic that nothing uses", inStage("ppo", { preset: "rloo" }), "stages.ppo.critic", "TL_SPEC_CONFLICT", "nothing would use `critic`", "leave `critic` out"],
  ["a rate for a critic that is not there", criticless({ preset: "grpo", criticLearningRate: 1e-3 }), "stages.ppo.criticLearningRate", "TL_SPEC_CONFLICT", "nothing would use `criticLearningRate`"],
  ["a trick that reads a critic's values where there is none", criticless({ preset: "rloo", tricks: { gae: {} } }), "stages.ppo.tricks.gae", "TL_SPEC_CONFLICT", "`gae` reads a critic's values", "`\"gae\": false`"],
  ["a preset that reads a critic's values where there is none", criticless({ preset: "vanilla", tricks: { groupBaseline: {} } }), "stages.ppo.tricks.groupBaseline", "TL_SPEC_CONFLICT", "`gae` reads a critic's values", "`rloo`"],
  ["answers that don't divide into groups", criticless({ preset: "rloo", rollouts: 30, minibatch: 10 }), "stages.ppo.rollouts", "TL_SPEC_WRONG_VALUE", "samples 4 answers to each prompt", "multiple of 4"],
  ["a critic's features where there is none", criticless({ preset: "rloo", tricks: { groupInvariance: {} } }), "stages.ppo.tricks.groupInvariance", "TL_SPEC_CONFLICT", "a critic's features", "turn one of the two off"],
  ["groups that don't divide the answers", criticless({ preset: "rloo", tricks: { groupBaseline: { samples: 5 } } }), "stages.ppo.tricks.groupBaseline", "TL_SPEC_WRONG_VALUE", "`rollouts` is 64", "multiple of 5"],
  ["whole answers' ratios with tokens' advantages", inStage("ppo", { tricks: { sequenceRatio: {} } }), "stages.ppo.tricks.sequenceRatio", "TL_SPEC_CONFLICT", "advantage of its own", "`groupBaseline`"],
  ["a critic's metric without one", criticless({ preset: "grpo", guards: { g: { metric: "loss/value", above: 1 } } }), "stages.ppo.guards.g.metric", "TL_SPEC_CONFLICT", "does not report", "takes the critic's place"],
  ["a metric of inferred groups that nothing infers", guarding({ metric: "group/variance", above: 0.9 }), "stages.ppo.guards.g.metric", "TL_SPEC_CONFLICT", "does not report", "`groupInvariance`"],
  ["a group's metric without groups", guarding({ metric: "samples/alike", above: 0.9 }), "stages.ppo.guards.g.metric", "TL_SPEC_CONFLICT", "does not report", "`groupBaseline`"],
  ["the KL of a loss that has none", guarding({ metric: "loss/kl", above: 1 }), "stages.ppo.guards.g.metric", "TL_SPEC_CONFLICT", "does not report", "`klLoss`"],
  ["smoothed labels of a loss without them", (spec) => { spec.stages["dpo"] = { kind: "dpo", policy: "sft", data: "hh", loss: "ipo", labelSmoothing: 0.1 }; }, "stages.dpo.labelSmoothing", "TL_SPEC_CONFLICT", "of the loss `sigmoid`", "leave it out"],
  ["pairs for DPO from plain text", (spec) => { spec.stages["dpo"] = { kind: "dpo", policy: "sft", data: "book" }; }, "stages.dpo.data", "TL_SPEC_DATA_USE", "holds no pairs", "hh-rlhf, preference"],
  ["a reward model as DPO's policy", (spec) => { spec.stages["dpo"] = { kind: "dpo", policy: "rm", data: "hh" }; }, "stages.dpo.policy", "TL_SPEC_WRONG_REFERENCE", "wants a language model", "`sft`"],
  ["a held-out metric of DPO without held-out pairs", (spec) => { delete spec.data["hh"]!["holdout"]; delete spec.stages["eval"]; spec.stages["dpo"] = { kind: "dpo", policy: "sft", data: "hh", guards: { g: { metric: "rewards/held_out_margins", below: 0 } } }; }, "stages.dpo.guards.g.metric", "TL_SPEC_CONFLICT", "does not report", "`holdout`"],
  ["examples that nobody gives", quizzing({ fewShot: 3 }), "stages.quiz.fewShot", "TL_SPEC_CONFLICT", "asks for 3 examples", "in `shots`"],
  ["more questions than there are anywhere", quizzing({ maxQuestions: 1e9 }), "stages.quiz.maxQuestions", "TL_SPEC_WRONG_VALUE", "at most 1000000"],
  ["a batch of questions that no machine holds", quizzing({ batch: 1e9 }), "stages.quiz.batch", "TL_SPEC_WRONG_VALUE", "at most 1000000"],
  ["a misspelt metric", guarding({ metric: "objective/klp", above: 1 }), "stages.ppo.guards.g.metric", "TL_SPEC_WRONG_VALUE", "objective/klp", "`objective/kl`"],
  ["a metric of another kind", (spec) => { spec.stages["sft"]!["guards"] = { g: { metric: "objective/kl", above: 1 } }; }, "stages.sft.guards.g.metric", "TL_SPEC_WRONG_VALUE", "objective/kl", "`loss/sft`"],
  ["a misspelt field of a guard", guarding({ metric: "objective/kl", abov: 1 }), "stages.ppo.guards.g.abov", "TL_SPEC_UNKNOWN_FIELD", "`g`", "`above`"],
  ["a guard whose name is none", (spec) => { spec.stages["ppo"]!["guards"] = { "my guard": { metric: "objective/kl", above: 1 } }; }, "stages.ppo.guards.my guard", "TL_SPEC_WRONG_VALUE", "is no name"],
  ["guards of a stage that does not train", inStage("eval", { guards: {} }), "stages.eval.guards", "TL_SPEC_UNKNOWN_FIELD", "`guards` is no field"],
  ["a guard without a condition", guarding({ metric: "objective/kl" }), "stages.ppo.guards.g", "TL_SPEC_CONFLICT", "no condition", "`risesBy`"],
  ["a guard with two conditions", guarding({ metric: "objective/kl", above: 1, below: 0 }), "stages.ppo.guards.g.below", "TL_SPEC_CONFLICT", "2 conditions", "a guard of each"],
  ["a guard without a metric", guarding({ above: 1 }), "stages.ppo.guards.g", "TL_SPEC_CONFLICT", "names no metric"],
  ["a guard for NaN with a metric", guarding({ nan: true, metric: "objective/kl" }), "stages.ppo.guards.g.metric", "TL_SPEC_CONFLICT", "every loss"],
  ["a guard that only notes NaN", guarding({ nan: true, then: "note" }), "stages.ppo.guards.g.then", "TL_SPEC_CONFLICT", "no answer to `nan`", "roll back"],
  ["`against` without a fall", guarding({ metric: "objective/scores", against: "objective/kl", above: 1 }), "stages.ppo.guards.g.against", "TL_SPEC_CONFLICT", "goes with `fallsBy`"],
  ["a metric against itself", guarding({ metric: "objective/kl", against: "objective/kl", fallsBy: 1 }), "stages.ppo.guards.g.against", "TL_SPEC_CONFLICT", "the same"],
  ["a gold score that is not taken", guarding({ metric: "objective/gold", below: 1 }), "stages.ppo.guards.g.metric", "TL_SPEC_CONFLICT", "does not report", "`gold`"],
  ["a judge's metric without one", guarding({ metric: "objective/unreadable", above: 0.1 }), "stages.ppo.guards.g.metric", "TL_SPEC_CONFLICT", "does not report", "`judge`"],
  ["a held-out score that is not taken", guarding({ metric: "objective/scores", against: "objective/held_out_scores", fallsBy: 1 }), "stages.ppo.guards.g.against", "TL_SPEC_CONFLICT", "does not report", "`heldOutReward`"],
  ["a figure of a trick that is off", guarding({ metric: "objective/kl_coefficient", above: 1 }, { tricks: { klPenalty: false } }), "stages.ppo.guards.g.metric", "TL_SPEC_CONFLICT", "does not report", "`klPenalty`"],
  ["the running statistics of a trick that is off", guarding({ metric: "reward/running_std", above: 1 }, { tricks: { rewardNormalization: false } }), "stages.ppo.guards.g.metric", "TL_SPEC_CONFLICT", "does not report", "`rewardScaling`"],
  ["a held-out loss where nothing is held out", (spec) => { spec.stages["base"]!["guards"] = { g: { metric: "lm/held_out_loss", risesBy: 1 } }; }, "stages.base.guards.g.metric", "TL_SPEC_CONFLICT", "does not report", "`book` a `holdout`"],
  ["a rollback that changes what can't be changed on the way", guarding({ metric: "objective/kl", above: 1, then: { rollBack: { change: { rollouts: 8 } } } }), "stages.ppo.guards.g.then.rollBack.change.rollouts", "TL_SPEC_UNKNOWN_FIELD", "`change`"],
  ["a rollback that turns on a trick with a state", guarding({ metric: "objective/kl", above: 1, then: { rollBack: { change: { tricks: { rewardScaling: {} } } } } }), "stages.ppo.guards.g.then.rollBack.change.tricks.rewardScaling", "TL_SPEC_UNKNOWN_FIELD", "no trick"],
  ["a rollback that changes nothing", guarding({ metric: "objective/kl", above: 1, then: { rollBack: { change: {} } } }), "stages.ppo.guards.g.then.rollBack.change", "TL_SPEC_WRONG_VALUE", "`change` is empty"],
  ["a rollback that changes a coefficient which adaptive KL steers", guarding({ metric: "objective/kl", above: 1, then: { rollBack: { change: { tricks: { klPenalty: { coefficient: 1 } } } } } }, { tricks: { adaptiveKl: {} } }), "stages.ppo.guards.g.then", "TL_SPEC_CONFLICT", "`adaptiveKl` steers"],
  ["an unknown action of a guard", guarding({ metric: "objective/kl", above: 1, then: "halt" }), "stages.ppo.guards.g.then", "TL_SPEC_WRONG_VALUE", "halt", "`stop`"],
  ["an evaluation that nothing judges", (spec) => { delete spec.stages["eval"]!["reward"]; delete spec.stages["eval"]!["gold"]; }, "stages.eval", "TL_SPEC_CONFLICT", "nothing judges"],
  ["a judge that has nothing to judge by", inStage("eval", { judges: ["gold", "held-out-reward-model"] }), "stages.eval.judges.1", "TL_SPEC_CONFLICT", "needs `heldOutReward`", "a reward model"],
  ["a judge named twice", inStage("eval", { judges: ["gold", "gold"] }), "stages.eval.judges.1", "TL_SPEC_CONFLICT", "named `gold` already"],
  ["a chat judge by the name of another", inStage("eval", { judges: [{ name: "gold", chat: { url: "https://example.org/v1/chat/completions", model: "m" } }] }), "stages.eval.judges.0.name", "TL_SPEC_CONFLICT", "named `gold` already", "another name"],
  ["a misspelt judge", inStage("eval", { judges: ["glod"] }), "stages.eval.judges.0", "TL_SPEC_WRONG_VALUE", "glod", "`gold`"],
  ["a held-out reward model that judges nothing", (spec) => { spec.stages["unseen"] = { ...spec.stages["rm"], seed: 9 }; spec.stages["eval"]!["heldOutReward"] = "unseen"; }, "stages.eval.heldOutReward", "TL_SPEC_CONFLICT", "only where `judges` names it"],
  ["a held-out reward model that is the other one", inStage("eval", { heldOutReward: "rm", judges: ["held-out-reward-model"] }), "stages.eval.heldOutReward", "TL_SPEC_CONFLICT", "nothing is held out"],
  ["an evaluation without held-out prompts", (spec) => { spec.data["hh"]!["holdout"] = 0; }, "stages.eval.prompts", "TL_SPEC_CONFLICT", "holds none out"],
  ["answers longer than the context", inStage("ppo", { maxNewTokens: 64 }), "stages.ppo.maxNewTokens", "TL_SPEC_WRONG_VALUE", "context of `sft` is 64", "at most 63"],
  ["models of different tokenizers", (spec) => {
    spec.stages["other"] = { kind: "tokenizer", data: "hh", vocabulary: 400 };
    spec.models["big"] = { ...spec.models["tiny"], tokenizer: "other" };
    spec.stages["rm"]!["model"] = "big";
  }, "stages.ppo.reward", "TL_SPEC_TOKENIZERS", "different tokenizers"],
  ["DPO against a reference of another tokenizer", (spec) => {
    spec.stages["other"] = { kind: "tokenizer", data: "hh", vocabulary: 400 };
    spec.models["big"] = { ...spec.models["tiny"], tokenizer: "other" };
    spec.stages["dpo"] = { kind: "dpo", policy: "sft", reference: "big", data: "hh" };
  }, "stages.dpo.reference", "TL_SPEC_TOKENIZERS", "different tokenizers"],
];

describe("a fault in a spec", () => {
  it("is absent from the pipeline that the cases change", () => {
    expect(faultsOf(pipeline())).toEqual([]);
  });

  it.each([
    ["memory of the one GPU that is asked for", { resources: { gpus: 1, memory: "80GB" } }], ["a minibatch of all answers of a step", { rollouts: 64, minibatch: 64 }],
    ["fewer answers than a minibatch has by default", { rollouts: 8 }],
  ])("is not %s", (_, members) => {
    expect(faultsOf(pipeline(inStage("ppo", members)))).toEqual([]);
  });

  it("names the nearest of the places where a field belongs", () => {
    expect(faultsOf(pipeline(inStage("eval", { timeout: "3s" }))).map(({ hint }) => hint)).toEqual(["it is a field of `reward`"]);
  });

  it("is not a stage that asks for the usual examples and names none", () => {
    expect(faultsOf(pipeline(quizzing({})))).toEqual([]);
  });

  it.each(cases.map(([name, change, field, code, message, hint]) => ({ name, change, field, code, message, hint })))("$name", ({ change, field, code, message, hint }) => {
    const faults = faultsOf(pipeline(change));
    const fault = faults.find((each) => each.field === field && each.code === code);
    expect(fault, JSON.stringify(faults, undefined, 1)).toBeDefined();
    expect(fault!.message).toContain(message);
    if (hint !== undefined) expect(fault!.hint).toContain(hint);
  });

  it("stands alone where one thing is wrong with one stage", () => {
    const single = cases.filter(([name]) => !["circle", "different tokenizers", "held-out"].some((word) => name.includes(word)));
    for (const [name, change, field] of single.filter(([, , path]) => path.startsWith("stages.ppo"))) {
      expect(faultsOf(pipeline(change)).map((each) => each.field), name).toEqual([field]);
    }
  });

  it("is listed with all others, in the order of the file, whatever else is wrong", () => {
    const faults = faultsOf(pipeline((spec) => {
      spec["sed"] = 1;
      inStage("sft", { epochs: "two", data: "hhh" })(spec);
      inStage("ppo", { reward: "rmm" })(spec);
    }));
    expect(faults.map(({ field }) => field)).toEqual(["stages.sft.data", "stages.sft.epochs", "stages.ppo.reward", "sed"]);
  });

  it("is a model one width too large, and not the one before", () => {
    const sized = (hidden: number) => faultsOf(pipeline((spec) => { Object.assign(spec.models["tiny"]!, { hidden, heads: 1, layers: 8 }); }));
    // 8 · 12 · 1670² + 300 · 1670 is 268.3 million parameters; 4 GiB hold 268.4 million.
    expect(sized(1670)).toEqual([]);
    expect(sized(1680).map(({ field }) => field)).toEqual(["models.tiny.hidden"]);
  });

  it("is no model that is too large for the embedded backend where all its stages use PyTorch", () => {
    const onTorch = (names: readonly string[]) => faultsOf(pipeline((spec) => {
      spec.models["tiny"]!["hidden"] = 4096;
      for (const name of names) inStage(name, { resources: { backend: "torch" } })(spec);
    })).map(({ field }) => field);
    const all = ["base", "sft", "rm", "critic", "ppo", "eval"];
    expect(onTorch(all)).toEqual([]);
    for (const name of all) expect(onTorch(all.filter((each) => each !== name)), name).toEqual(["models.tiny.hidden"]);
  });

  it("names one circle once, and each of two circles", () => {
    const faults = faultsOf(pipeline((spec) => {
      inStage("base", { model: "sft" })(spec);
      spec.stages["a"] = { kind: "sft", model: "b", data: "hh" };
      spec.stages["b"] = { kind: "sft", model: "a", data: "hh" };
    }));
    expect(faults.filter(({ code }) => code === "TL_SPEC_CYCLE").map(({ message }) => message)).toEqual([
      "these stages wait for each other: `base` → `sft` → `base`", "these stages wait for each other: `a` → `b` → `a`",
    ]);
  });
});
