/** The kinds of stores that a process keeps open: what one does, all do. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeptStore, OpenOptions } from "../../src/model/store.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";

/** Where a store keeps its things, for one test. */
export interface KeptPlace extends AsyncDisposable {
  /** Opens the store; again after a close, on what was stored. */
  open(options?: OpenOptions): Promise<KeptStore>;
}

export interface Kind {
  kind: string;
  place(): Promise<KeptPlace>;
}

const duckdb: Kind = {
  kind: "DuckDB",
  async place() {
    const home = mkdtempSync(join(tmpdir(), "sb-store-"));
    return {
      open: (options) =>
        DuckDBStore.open(join(home, "sessions.duckdb"), options),
      async [Symbol.asyncDispose]() {
        rmSync(home, { recursive: true });
      },
    };
  },
};

/** All kinds, for `describe.each`. */
export const STORES: readonly Kind[] = [duckdb];
