import { Store } from "../../store/store.js";

// A writer process of its own: appends as many events as asked for.
const [home, run, count] = process.argv.slice(2) as [string, string, string];
const { ledger } = new Store(home);
for (let index = 0; index < Number(count); index++) await ledger.append(run, { type: "cancel-requested", actor: `${process.pid}` });
