import { TestWorkflowEnvironment } from "@temporalio/testing";

// A process of its own: the SDK downloads the program into the folder named, starts it once, and is done. It ends with its parent.
process.once("disconnect", () => process.exit(1));
const [folder] = process.argv.slice(2);
const environment = await TestWorkflowEnvironment.createLocal({
  server: { executable: { type: "cached-download", downloadDir: folder, ttl: "3650 days" } },
});
await environment.teardown();
process.exit(0);
