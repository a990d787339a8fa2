/** What every store must do, done by each. */
import { STORES } from "../support/stores.ts";
import { storeContract } from "./store.ts";

for (const kind of STORES) storeContract(kind);
