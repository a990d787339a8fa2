/** Refuses a folder on a network filesystem, whose locks may not reach every host. */
import { readFileSync, realpathSync, statfsSync } from "node:fs";
import { errnoOf, fail } from "../model/failure.ts";
import { folderFailure } from "./paths.ts";

/** Magic numbers of statfs(2) for filesystems whose locks do not reach every host. */
const NETWORK: Record<number, string> = {
  0x6969: "NFS",
  0x517b: "SMB",
  0xfe534d42: "SMB",
  0xff534d42: "CIFS",
  0x01021997: "9P",
  0x5346414f: "AFS",
  0x00c36400: "Ceph",
  0x0bd00bd0: "Lustre",
  0x47504653: "GPFS",
};
const FUSE = 0x65735546;
const NETWORK_FUSE =
  /^fuse\.(sshfs|glusterfs|s3fs|rclone|gcsfuse|ceph|cifs|nfs|smb|davfs|juicefs|blobfuse)/;

/** @throws Failure (config) for a folder on a network filesystem */
export function refuseNetwork(folder: string): void {
  let type: number;
  try {
    type = statfsSync(folder).type >>> 0;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw folderFailure(folder, error);
  }
  const name = type === FUSE ? fuseType(realpathSync(folder)) : NETWORK[type];
  if (name)
    throw fail.config(
      `the database's folder '${folder}' is on a network filesystem (${name}), whose locks are not to be trusted`,
      "set store.path (SESSION_BUDDY_DB_PATH) to a local disk, or store.network_filesystem: true",
    );
}

/** The type of the FUSE mount that a folder is on, when it goes over the network. */
function fuseType(folder: string): string | undefined {
  let best = { point: "", type: "" };
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const [head, tail] = line.split(" - ");
    // The kernel writes blanks and backslashes of a mount point as `\040`.
    const point = (head?.split(" ")[4] ?? "").replace(
      /\\([0-7]{3})/g,
      (_, octal: string) => String.fromCharCode(parseInt(octal, 8)),
    );
    const inside = point === "/" || `${folder}/`.startsWith(`${point}/`);
    if (tail && inside && point.length >= best.point.length)
      best = { point, type: tail.split(" ")[0]! };
  }
  return NETWORK_FUSE.test(best.type) ? best.type : undefined;
}
