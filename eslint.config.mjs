import tseslint from "typescript-eslint";

/** What each room may import: itself, and rooms below it. Everything may import foundation and schemas. */
const everywhere = ["foundation", "schemas"];
const rooms = {
  foundation: [],
  schemas: [],
  store: [],
  data: [],
  models: [],
  backends: ["models"],
  training: ["backends", "models", "data"],
  planner: ["store", "data", "models"],
  workflows: [],
  reports: ["data"],
  activities: ["training", "backends", "models", "data", "store", "reports"],
  temporal: ["workflows", "activities", "store"],
  console: ["planner", "store", "data", "models", "training", "reports"],
  cli: ["console", "reports", "planner", "temporal", "workflows", "activities", "training", "backends", "models", "data", "store"],
};

const importsGoDown = Object.entries(rooms).map(([room, below]) => {
  const allowed = new Set([room, ...everywhere, ...below]);
  if (room === "foundation") allowed.delete("schemas");
  const forbidden = Object.keys(rooms).filter((other) => !allowed.has(other));
  return {
    files: [`${room}/**/*.ts`],
    rules: {
      "no-restricted-imports": ["error", {
        patterns: [{
          regex: `^(\\.\\./)+(${[...forbidden, "test", "bench"].join("|")})/`,
          message: `Imports go down only: ${room}/ may import ${[...allowed].join(", ")}.`,
        }],
      }],
    },
  };
});

export default tseslint.config(
  { ignores: ["dist/", "node_modules/", ".trueline/", "backends/onnx/kernels/", ".venv/"] },
  ...tseslint.configs.strict,
  {
    files: ["**/*.ts"],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-extraneous-class": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-restricted-syntax": ["error", { selector: "ExportDefaultDeclaration", message: "Use a named export." }],
    },
  },
  { files: ["vitest.config.ts", "vitest.torch.config.ts"], rules: { "no-restricted-syntax": "off" } },
  { files: ["**/*.mjs"], extends: [tseslint.configs.disableTypeChecked] },
  ...importsGoDown,
);
