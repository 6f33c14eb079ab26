import type { JSONPath } from "jsonc-parser";
import { isKnownKey, keyInAddress, namesKey } from "../foundation/secrets.js";
import { nearest } from "../foundation/suggest.js";
import { endpointSecret } from "../schemas/endpoint.js";
import type { Fault } from "./fault.js";
import { isObject } from "./members.js";

const hints = {
  request: "name an environment variable of the workers that begins with TRUELINE_SECRET_, such as TRUELINE_SECRET_API, and set it to the key; a key that was in a file that others have is best changed",
  webhook: "name an environment variable of the workers and set it to the signing secret (whsec_…); a secret that was in a file that others have is best changed",
  address: "leave it out: `secret` names an environment variable of the workers that holds the key, which is sent as a bearer token",
  webhookAddress: "leave it out: `secret` names an environment variable of the workers, with which messages are signed",
} as const;

/** Keys that stand in a spec itself, which is kept, shown and shared: in `secret`, or in an address. No fault tells them. */
export function secretFaults(value: unknown): Fault[] {
  return [...membersIn(value, [])].flatMap(({ name, path, value: found }): Fault[] => {
    if (name === "secret" && found !== null && !isObject(found)) return isNameOfSecret(found, path) ? [] : [secretFault(found, path)];
    const key = name === "url" && typeof found === "string" ? keyInAddress(found) : undefined;
    return key === undefined ? [] : [{ code: "TL_SPEC_SECRET", path, message: `the address has ${key} in it, and specs are kept, shown and shared`, hint: isWebhook(path) ? hints.webhookAddress : hints.address }];
  });
}

const isWebhook = ([section]: JSONPath): boolean => section === "notify";

function secretFault(found: unknown, path: JSONPath): Fault {
  const hint = isWebhook(path) ? hints.webhook : hints.request;
  const isVariable = typeof found === "string" && /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/.test(found);
  return isVariable
    ? { code: "TL_SPEC_WRONG_VALUE", path, message: "`secret` names a variable that does not begin with TRUELINE_SECRET_: no spec may have others sent", hint }
    : { code: "TL_SPEC_SECRET", path, message: "`secret` takes the name of an environment variable, not the secret itself", hint };
}

function isNameOfSecret(found: unknown, path: JSONPath): boolean {
  if (typeof found !== "string") return false;
  return isWebhook(path) ? /^[A-Za-z_][A-Za-z0-9_]*$/.test(found) && !isKnownKey(found) : endpointSecret.safeParse(found).success;
}

/** Texts of a spec that may be keys by the names of their members, misspelt ones and values of a sweep's axis included: not to be told. */
export function keysIn(value: unknown): string[] {
  return [...membersIn(value, [])].flatMap(({ name, value: found }) => (namesKey(name) || nearest(name, ["secret"]) !== undefined ? textsIn(found) : []))
    .filter((text) => text.length >= 4 && !endpointSecret.safeParse(text).success);
}

interface Member {
  /** The last part of a dotted name: "secret" of "stages.ppo.reward.secret". */
  readonly name: string;
  readonly path: JSONPath;
  readonly value: unknown;
}

/** Every member of every object. The values of a sweep's axis count as members by the field that they are for. */
function* membersIn(value: unknown, path: JSONPath): Generator<Member> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* membersIn(item, [...path, index]);
  } else if (isObject(value)) {
    const { field, values } = value;
    if (typeof field === "string" && Array.isArray(values)) {
      for (const [index, each] of values.entries()) yield { name: lastOf(field), path: [...path, "values", index], value: each };
    }
    for (const [name, each] of Object.entries(value)) {
      yield { name: lastOf(name), path: [...path, name], value: each };
      yield* membersIn(each, [...path, name]);
    }
  }
}

const lastOf = (name: string): string => name.slice(name.lastIndexOf(".") + 1);

function textsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(textsIn);
  return typeof value === "string" ? [value] : [];
}
