/** How the store in a PostgreSQL database is opened. */
import { fail } from "../../model/failure.ts";
import type { WriteArchive } from "../../model/maintenance.ts";
import type { OpenOptions } from "../../model/store.ts";
import type { Patterns } from "../patterns.ts";
import type { ReachOptions } from "./reach.ts";

export interface PostgresOptions extends OpenOptions, ReachOptions {
  /** The steps to the newest schema, oldest first. */
  migrations?: readonly (readonly string[])[];
  /** The name of a server, the same when it is started again. */
  server?: string;
  /** Whether rows are locked while they are worked on; they are compared in any case. */
  locks?: boolean;
  /** Regular expressions, for searches. */
  patterns?: () => Promise<Patterns>;
  /** For archives: their files are made elsewhere. */
  writeArchive?: WriteArchive;
  /** Names the folder of the recordings that this process looks after. */
  recordings?: string;
}

export const noArchives: WriteArchive = () => {
  throw fail.refused(
    "archives are not made here",
    "ask the program that opened the database",
  );
};
