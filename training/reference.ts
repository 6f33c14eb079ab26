import type { ForwardRequest } from "../backends/backend.js";
import { loadFrozen } from "./models.js";
import type { InputArtifact, TrainerSetup } from "./trainer.js";

/** A model under whose log-probabilities the policy's are seen, as the backend is asked for it. */
export type Reference = { readonly model: string } & Pick<ForwardRequest, "adapter">;

/** The stage's `reference`, else its policy as it starts. Under an adapter lies the policy as it was: no second copy is held. */
export async function loadReference(
  setup: Pick<TrainerSetup<{ readonly lora?: object }>, "backend" | "phase" | "artifacts" | "parameters">, policy: { readonly model: string; readonly from: InputArtifact },
): Promise<Reference> {
  const from = setup.artifacts["reference"] ?? policy.from;
  if (setup.parameters.lora !== undefined && from.directory === policy.from.directory) return { model: policy.model, adapter: "off" };
  await loadFrozen(setup, { model: "reference", head: "language", from });
  return { model: "reference" };
}
