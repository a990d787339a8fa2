/** The name of this machine, as its spool folder has it. */
import { errnoOf } from "../model/failure.ts";
import { readText } from "./file.ts";
import { readFailure } from "./paths.ts";
import { hostNames } from "./proc.ts";

const MACHINE_ID = "/etc/machine-id";
let machine: string | null = null;

/**
 * Names this machine's spool folder: /etc/machine-id, else the host name.
 * Containers often have none, and on a first boot it is empty for a while.
 * @throws Failure when there is one that cannot be read: that is not none
 */
export function machineId(): string {
  return (machine ??= givenMachineId() ?? hostId());
}

function givenMachineId(): string | null {
  let id: string;
  try {
    id = readText(MACHINE_ID).trim();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw readFailure(MACHINE_ID, error);
  }
  return id.length === 32 && !id.includes("/") ? id : null;
}

const hostId = () =>
  `host-${hostNames().hostname.replace(/[^a-zA-Z0-9.-]/g, "-") || "unknown"}`;
