import type { NativeConnectionOptions } from "@temporalio/worker";
import { loadClientConnectConfig } from "@temporalio/envconfig";
import { TruelineError } from "../foundation/errors.js";
import { enterServer, runningServer, type EmbeddedServer } from "./embedded.js";

/** Where Temporal is, and in which namespace. */
export interface TemporalAddress {
  readonly options: NativeConnectionOptions;
  readonly namespace: string;
  readonly embedded: boolean;
}

/** The server that the TEMPORAL_* variables or the profile name; undefined when they name none. Errors: TL_TEMPORAL_CONFIG. */
export function configuredAddress(): TemporalAddress | undefined {
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig();
    if (connectionOptions.address === undefined) return undefined;
    return { options: connectionOptions, namespace: namespace ?? "default", embedded: false };
  } catch (cause) {
    throw new TruelineError("TL_TEMPORAL_CONFIG", cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** The server that is there now: the configured one, or the home's embedded one if it runs. Starts nothing. */
export async function presentAddress(home: string): Promise<TemporalAddress | undefined> {
  const configured = configuredAddress();
  if (configured !== undefined) return configured;
  const server = await runningServer(home);
  return server && embeddedAddress(server);
}

/** The configured server, or the home's embedded one, started if need be; see enterServer. */
export async function enterAddress(home: string, say: (text: string) => void): Promise<TemporalAddress> {
  return configuredAddress() ?? embeddedAddress(await enterServer(home, say));
}

function embeddedAddress(server: EmbeddedServer): TemporalAddress {
  return { options: { address: `127.0.0.1:${server.port}` }, namespace: "default", embedded: true };
}

/** The error behind a connection that could not be made. */
export function unreachable({ options }: TemporalAddress, cause: unknown): TruelineError {
  return new TruelineError("TL_TEMPORAL_UNAVAILABLE", `The Temporal server at ${options.address ?? "localhost:7233"} does not answer.`, {
    hint: "Check TEMPORAL_ADDRESS; without it, an embedded server is used.", cause,
  });
}
