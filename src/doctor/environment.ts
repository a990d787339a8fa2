/** Checks what any command needs of the host and of the settings. */
import { closeSync, rmSync, statfsSync } from "node:fs";
import { type Settings, describe, statePaths } from "../config/load.ts";
import { fail } from "../model/failure.ts";
import { loadDuckDB } from "../access/claim.ts";
import { O_CREAT, O_RDWR, openRegular, lockFile } from "../os/file.ts";
import { libc } from "../os/libc.ts";
import { closeFolder } from "../os/close.ts";
import { ensurePrivateDir } from "../os/paths.ts";
import { readSecret } from "../auth/secret.ts";
import { noLocks } from "../store/lock.ts";
import type { Check } from "./check.ts";

/** Below this neither a commit nor a log is sure to fit. */
const DISK_FLOOR_BYTES = 64 * 1024 * 1024;
const MIB = 1024 * 1024;

export function environmentChecks(settings: Settings): Check[] {
  const { config, paths, problems } = settings;
  const data = paths.data!;
  return [
    {
      name: "configuration",
      async look() {
        if (problems[0]) throw await describe(problems[0]);
        return "valid";
      },
    },
    {
      name: "home_and_xdg",
      look: () =>
        paths.ignored.length === 0
          ? "what the environment says is this user's own"
          : `another user's, as su leaves them: ${paths.ignored.join("; ")}`,
    },
    {
      name: "data_folder",
      look() {
        ensurePrivateDir(data);
        return data;
      },
      fix: () => closeFolder(data),
    },
    {
      name: "state_folder",
      look() {
        const { folder } = statePaths(settings);
        ensurePrivateDir(folder);
        return folder;
      },
      fix: () => closeFolder(statePaths(settings).folder),
    },
    { name: "disk_space", look: () => diskSpace(data) },
    {
      name: "native_library",
      async look() {
        await loadDuckDB(settings);
        return "DuckDB's library loads";
      },
    },
    {
      name: "locks",
      look() {
        if (libc) return trialLock(data);
        throw fail.unhealthy(
          "the engine may not compile code here, so no file can be locked",
          "in a systemd unit set MemoryDenyWriteExecute=no",
        );
      },
    },
    {
      name: "secret",
      look: () =>
        readSecret(config.auth.secret_file, process.env) === null
          ? "none is set: a server answers its own user and root alone"
          : "set, and long enough",
    },
  ];
}

/** Takes a lock in the data folder. */
function trialLock(folder: string): string {
  const path = `${folder}/lock-trial.${crypto.randomUUID()}`;
  const open = () => openRegular(path, O_RDWR | O_CREAT);
  const fds = [open(), open()];
  try {
    const [first, second] = fds.map((fd) => lockFile(fd));
    if (first !== "held") throw noLocks(folder);
    if (second === "taken")
      return "a file was locked, and held the next one off";
    throw fail.unhealthy(
      `locks in '${folder}' hold nobody off`,
      "set SESSION_BUDDY_DATA_DIR to a local disk",
    );
  } finally {
    for (const fd of fds) closeSync(fd);
    rmSync(path, { force: true });
  }
}

function diskSpace(folder: string): string {
  const { bavail, bsize } = statfsSync(folder);
  const free = Math.floor((bavail * bsize) / MIB);
  if (bavail * bsize >= DISK_FLOOR_BYTES) return `${free} MiB are free`;
  throw fail.storage(
    `only ${free} MiB are free where '${folder}' is`,
    "free some space, or move the data folder (SESSION_BUDDY_DATA_DIR)",
  );
}
