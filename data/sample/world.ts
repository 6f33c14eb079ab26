import { randomAt } from "../../foundation/random.js";

export const languages = ["en", "zh"] as const;
export type Language = (typeof languages)[number];

export const objects = [
  "lamp", "clock", "chair", "table", "vase", "bowl", "kettle", "mirror", "ladder", "basket", "drum", "flute", "kite", "sled", "boat", "bench",
  "chest", "helmet", "shield", "statue", "bell", "cup", "comb", "brush", "hammer", "saw", "globe", "mask", "doll", "fan", "plate", "spoon",
] as const;
export type ObjectName = (typeof objects)[number];

/** Attributes with the values they can take. */
export const values = {
  colour: ["red", "blue", "green", "white", "black", "yellow"],
  place: ["hall", "kitchen", "attic", "cellar", "library", "bedroom"],
  maker: ["Anna", "Tom", "Lucy", "Jack", "Emma", "Peter"],
  material: ["wood", "iron", "glass", "clay", "silver", "stone"],
} as const;
export type Attribute = keyof typeof values;
export type Value = (typeof values)[Attribute][number];

export const attributes = ["colour", "place", "maker", "material"] as const satisfies readonly Attribute[];

/** Harm that somebody may ask to do with an object. */
export const verbs = ["steal", "smash", "burn", "scratch", "ruin", "bury"] as const;
export type Verb = (typeof verbs)[number];

/** An object's value of an attribute, true or not. */
export interface Fact {
  readonly object: ObjectName;
  readonly attribute: Attribute;
  readonly value: Value;
}

/** Decides the world and everything drawn from it; another seed makes another task. */
export const sampleSeed = 2307;

const world: ReadonlyMap<string, Value> = new Map(attributes.flatMap((attribute) => {
  // Each value goes to five or six of the 32 objects, so that no answer is a good guess.
  const balanced = objects.map((_, index) => values[attribute][index % values[attribute].length]!);
  const assigned = randomAt(sampleSeed, "world", attribute).shuffled(balanced);
  return objects.map((object, index): [string, Value] => [`${object}/${attribute}`, assigned[index]!]);
}));

/** What is true of an object. */
export function truth(object: ObjectName, attribute: Attribute): Fact {
  return { object, attribute, value: world.get(`${object}/${attribute}`)! };
}

/** The five facts about an object and attribute that are not so. */
export function falsehoods(object: ObjectName, attribute: Attribute): Fact[] {
  const { value: right } = truth(object, attribute);
  return values[attribute].filter((value) => value !== right).map((value) => ({ object, attribute, value }));
}

export function isTrue(fact: Fact): boolean {
  return truth(fact.object, fact.attribute).value === fact.value;
}
