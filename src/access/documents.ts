/** Where a server keeps small texts beside its events. */
import { type Settings, statePaths } from "../config/load.ts";
import { FileDocuments } from "../os/documents.ts";
import { databasePath } from "./claim.ts";

/** Alerts; and how far the destinations of exports have got. */
export type Shelf = "alerts" | "exported";

/** Those of this host's server alone. */
export const ownDocuments = (settings: Settings, shelf: Shelf): FileDocuments =>
  new FileDocuments(
    shelf === "alerts"
      ? `${statePaths(settings).folder}/alerts`
      : `${databasePath(settings)}.exported`,
  );
