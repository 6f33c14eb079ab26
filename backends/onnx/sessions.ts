import { InferenceSession } from "onnxruntime-node";
import { TruelineError } from "../../foundation/errors.js";
import { externalFile } from "./graph.js";

/** Where and how graphs are run. */
export interface SessionSettings {
  readonly threads: number;
  /** ONNX Runtime's providers in order of preference, such as ["cuda"]; the processor always stands last. */
  readonly executionProviders: readonly string[];
}

/**
 * Makes a session of a serialized graph.
 * @param external Memory that holds the graph's external tensors.
 * @throws TL_BACKEND_PROVIDER_MISSING when a provider can't be had.
 */
export async function createSession(model: Uint8Array, settings: SessionSettings, external?: Uint8Array): Promise<InferenceSession> {
  const providers = settings.executionProviders.filter((provider) => provider !== "cpu");
  try {
    return await InferenceSession.create(model, {
      executionProviders: [...providers, "cpu"],
      ...(external === undefined ? {} : { externalData: [{ path: externalFile, data: external }] }),
      intraOpNumThreads: settings.threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      // one block planned for each new shape is fresh memory at every run: a tenth of a step went into page faults
      enableMemPattern: false,
      logSeverityLevel: 3,
      // masked attention underflows to denormals, on which the processor is 4 times slower
      extra: { session: { set_denormal_as_zero: "1" } },
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (providers.length === 0 || !/shared library|not available|execution provider|providers_/i.test(message)) throw error;
    throw new TruelineError("TL_BACKEND_PROVIDER_MISSING", `ONNX Runtime can't use ${providers.join(", ")}: ${message}`, {
      hint: installHints[providers[0]!] ?? `onnxruntime-node on ${process.platform}/${process.arch} has no ${providers[0]}.`,
      cause: error,
    });
  }
}

/** onnxruntime-node's package holds no CUDA libraries: its install script fetches them when asked. */
const cuda = "On Linux x64 with CUDA 12 and cuDNN 9 installed, fetch the provider's libraries with "
  + "`ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js`.";
const installHints: Readonly<Record<string, string>> = { cuda, tensorrt: cuda };
