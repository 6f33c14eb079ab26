/** What keys are called where people write them: as members of a document and as parameters of an address. */
const names = "secrets?|password|passwd|token|key|bearer|authorization|(?:api|access|auth|secret|subscription)[-_]?(?:key|token)";
const isName = new RegExp(`^(?:x-)?(?:${names})$`, "i");
const parameter = new RegExp(`([?&](?:${names})=)([^&#\\s"'\`]+)`, "gi");
const userinfo = /(https?:\/\/)([^\s/"'`@?#]+)(?=@)/gi;
/** Members of a JSON text by their names, dotted ones such as "stages.ppo.reward.secret" too; their values up to the closing quote or the end of the line. */
const member = new RegExp(`("(?:[^"\\\\\\n]*\\.)?(?:x-)?(?:${names})"\\s*:\\s*"?)((?:[^"\\\\,}\\]\\n]|\\\\.)+)`, "gi");
/** Keys that are known by how they begin. */
const knownKey = /(\b(?:Bearer\s+|sk-|rk-|pk-|whsec_|gh[opsu]_|github_pat_|hf_|glpat-|xox[abp]-))((?=[A-Za-z._/+-]*\d)[A-Za-z0-9._/+-]{12,}=*)/g;

/** Whether a member or a parameter of that name holds a key: "api_key", "token". */
export function namesKey(name: string): boolean {
  return isName.test(name);
}

/** What of an address is a key: "a password", "the key `api_key`"; undefined where nothing is. Addresses are kept, shown and shared. */
export function keyInAddress(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined;
  const { username, password, searchParams } = new URL(address);
  if (username !== "" || password !== "") return "a name or password";
  const given = [...searchParams.keys()].find(namesKey);
  return given === undefined ? undefined : `the key \`${given}\``;
}

/** Whether a text begins as keys of a known make do, and is none that people call a variable. */
export function isKnownKey(text: string): boolean {
  return new RegExp(`^${knownKey.source}$`).test(text) || /^whsec_/i.test(text);
}

/** A text with stars for what seems to be a key in it, as many as it had characters. `known`: keys that are not told by where they stand. */
export function withoutKeys(text: string, known: readonly string[] = []): string {
  const starred = (_: string, before: string, key: string): string => before + (isPublicName(key) ? key : stars(key));
  const masked = [member, userinfo, parameter, knownKey].reduce((each, pattern) => each.replace(pattern, starred), text);
  return known.reduce((each, key) => each.replaceAll(key, stars(key)), masked);
}

const stars = (key: string): string => "*".repeat(key.length);

/** Names of variables that hold a secret may be seen by anybody. */
const isPublicName = (text: string): boolean => /^TRUELINE_SECRET_[A-Z0-9_]*$/.test(text);
