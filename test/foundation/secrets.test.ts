import { describe, expect, it } from "vitest";
import { isKnownKey, keyInAddress, withoutKeys } from "../../foundation/secrets.js";

describe("a text without keys", () => {
  it.each([
    ["{\"secret\": \"hunter22\", \"batch\": 2}", "{\"secret\": \"********\", \"batch\": 2}"],
    ["{\"stages.ppo.reward.secret\": \"hunter22\"}", "{\"stages.ppo.reward.secret\": \"********\"}"],
    ["\"apiKey\":\"a\\\"b\"", "\"apiKey\":\"****\""],
    ["\"X-Api-Key\": 1234", "\"X-Api-Key\": ****"],
    ["\"token\": \"cut off in the mid", "\"token\": \"******************"],
    ["https://me:hunter22@host/path", "https://***********@host/path"],
    ["https://host/v1?model=m&api_key=hunter22&x=1#top", "https://host/v1?model=m&api_key=********&x=1#top"],
    ["the text \"sk-proj-Ab12cdEF34ghIJ\" is no name", "the text \"sk-*******************\" is no name"],
    ["Authorization: Bearer abcdefgh12345678", "Authorization: Bearer ****************"],
  ])("has stars in place of them: %s", (text, expected) => {
    expect(withoutKeys(text)).toBe(expected);
  });

  it.each([
    "\"secret\": \"TRUELINE_SECRET_API\"", "\"tokenizer\": \"bpe\"", "\"maxTokens\": 12", "https://host/a@b?model=m", "the data entry `sk-learn-classification`", "\"description\": \"a key idea\"",
  ])("is as it was where there is none: %s", (text) => {
    expect(withoutKeys(text)).toBe(text);
  });

  it("lacks those that are known, too", () => {
    expect(withoutKeys("ppo.secret-hunter22 and hunter22", ["hunter22"])).toBe("ppo.secret-******** and ********");
  });

  it("is found in time, however long the text", () => {
    const hostile = `"secret": "${"\\\\".repeat(100_000)}`;
    expect(withoutKeys(hostile)).toHaveLength(hostile.length);
    expect(withoutKeys("https://".repeat(50_000))).toHaveLength(400_000);
  });
});

it("an address holds a key by its name, password, or a parameter that is called so", () => {
  expect(keyInAddress("https://me:pw@host/")).toBe("a name or password");
  expect(keyInAddress("https://host/?a=1&API-KEY=x")).toBe("the key `API-KEY`");
  for (const plain of ["https://host/keys/token?model=m&monkey=1", "no address"]) expect(keyInAddress(plain)).toBeUndefined();
});

it("a key is known by how it begins", () => {
  expect(["whsec_MfKQ9r8GKYqrTwjUPD8I", "sk-proj-Ab12cdEF34ghIJ", "HOOK_SECRET", "sk-short"].map(isKnownKey)).toEqual([true, true, false, false]);
});
