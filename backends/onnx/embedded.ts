import { cpus } from "node:os";
import { env } from "onnxruntime-node";
import { TruelineError } from "../../foundation/errors.js";
import type { AdapterDescription } from "../../models/adapter-files.js";
import type { Backend, LoadRequest } from "../backend.js";
import { loadModel, saveModel } from "../model-files.js";
import { validateGenerate } from "../validate.js";
import { Generator } from "./generate.js";
import { GraphBuilder } from "./graph.js";
import { OnnxModel } from "./model.js";
import { createSession, type SessionSettings } from "./sessions.js";
import type { ModelConfiguration } from "../../models/configuration.js";
import type { Tensor } from "../../models/safetensors.js";

/** A model that is held. */
interface Held {
  readonly model: OnnxModel;
  readonly configuration: ModelConfiguration;
  readonly generator: Generator;
  readonly adapter: AdapterDescription | undefined;
}

/**
 * The backend on ONNX Runtime, in this process, whose event loop stands still while it computes: startOnnxBackend runs
 * it in a process of its own.
 * @throws TL_BACKEND_PROVIDER_MISSING when an execution provider can't be had.
 */
export async function createOnnxBackend(settings: SessionSettings): Promise<Backend> {
  await tryProviders(settings);
  const models = new Map<string, Held>();
  let closed = false;

  const open = (): void => {
    if (closed) throw new TruelineError("TL_BACKEND_CLOSED", "the backend was closed");
  };
  const held = (name: string): Held => {
    open();
    const found = models.get(name);
    if (found !== undefined) return found;
    const names = [...models.keys()].join(", ") || "none";
    throw new TruelineError("TL_BACKEND_MODEL_UNKNOWN", `no model "${name}" is loaded`, { hint: `Loaded: ${names}.` });
  };
  const free = async (name: string): Promise<void> => {
    const found = models.get(name);
    models.delete(name);
    await found?.model.release();
    await found?.generator.release();
  };

  return {
    async describe() {
      open();
      return {
        name: "onnx",
        versions: { "onnxruntime-node": env.versions.node ?? env.versions.common, node: process.versions.node },
        device: [...settings.executionProviders, cpus()[0]?.model ?? process.arch].join(", "),
        threads: settings.threads,
      };
    },
    async load(request) {
      open();
      const { held: made, ...information } = await hold(request, settings);
      await free(request.model);
      models.set(request.model, made);
      return information;
    },
    async unload(name) {
      held(name);
      await free(name);
    },
    async save(name, directory, { optimizer }) {
      const { model, configuration, adapter } = held(name);
      if (optimizer && !model.traits.trainable) {
        throw new TruelineError("TL_BACKEND_NOT_TRAINABLE", `the model "${name}" was loaded for reading only and has no optimizer state`);
      }
      await saveModel(directory, {
        configuration, head: model.traits.head, adapter, parameters: model.trained.export(),
        optimizer: optimizer ? model.optimizerState() : undefined,
      });
    },
    forward: async (name, request) => held(name).model.forward(request),
    async generate(name, request) {
      const { model, generator } = held(name);
      validateGenerate(model.traits, request);
      return generator.generate(request);
    },
    step: async (name, request) => held(name).model.step(request),
    async close() {
      closed = true;
      for (const name of [...models.keys()]) await free(name);
    },
  };
}

async function hold(request: LoadRequest, settings: SessionSettings) {
  const { configuration, head, headIsNew, parameters: tensors, optimizer, adapter, trained } = await loadModel(request);
  const { model: name, trainable } = request;
  const shapes = new Map([...tensors].map(([parameter, { shape }]) => [parameter, shape]));
  const model = new OnnxModel({ name, configuration, head, shapes, trainable, adapter: adapter && { scale: adapter.scale, trained }, settings });
  model.load(tensors);
  if (optimizer !== undefined) model.loadOptimizerState(optimizer);
  const source = adapter && { store: model.trained, scale: adapter.scale };
  const held: Held = { model, configuration, adapter, generator: new Generator(name, configuration, model.blueprint, model.weights, settings, source) };
  const countOf = (those: readonly (readonly [string, Tensor])[]) => those.reduce((sum, [, { data }]) => sum + data.length, 0);
  const { vocabulary, context } = configuration;
  return {
    held, parameters: countOf([...tensors]), trained: countOf([...tensors].filter(([parameter]) => trained.has(parameter))), vocabulary, context, headIsNew,
  };
}

/** Fails now rather than at the first request if a provider that was asked for is not there. */
async function tryProviders(settings: SessionSettings): Promise<void> {
  if (settings.executionProviders.length === 0) return;
  const graph = new GraphBuilder();
  graph.output(graph.node("Neg", [graph.input("x", "float32", [1])]), "y");
  const session = await createSession(graph.build(), settings);
  await session.release();
}
