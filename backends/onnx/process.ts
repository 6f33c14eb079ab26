import { z } from "zod";
import { serveBackend } from "../rpc.js";
import { createOnnxBackend } from "./embedded.js";

// The child process of startOnnxBackend: its one argument is the settings as JSON.
const settings = z.strictObject({ threads: z.number(), executionProviders: z.array(z.string()) });

serveBackend(createOnnxBackend(settings.parse(JSON.parse(process.argv[2] ?? "{}"))));
