/** Where the database of many hosts is, and how to get into it. */
import { readPrivateText } from "../auth/secret.ts";
import type { Settings } from "../config/load.ts";
import type { Movable } from "./move.ts";
import type { Address } from "../store/postgres/address.ts";

/**
 * @param url `store.url`, or that of another database
 * @throws Failure (config)
 */
export async function databaseAddress(
  { config }: Settings,
  url: string,
): Promise<Address> {
  const { password_file, ca_file } = config.store;
  const { addressOf } = await import("../store/postgres/address.ts");
  const password =
    password_file === null
      ? null
      : readPrivateText("store.password_file", password_file);
  return addressOf(url, password, ca_file);
}

/** Hands over a place in the database at `store.url` that is gone afterwards. */
export async function withDatabaseSample<T>(
  settings: Settings,
  use: (store: Movable) => Promise<T>,
): Promise<T> {
  const { withSample } = await import("../store/postgres/sample.ts");
  const address = await databaseAddress(settings, settings.config.store.url!);
  return withSample(address, use);
}

/** How `store.url` is set up; null where there is none. */
export async function inspectDatabase(settings: Settings) {
  const { url } = settings.config.store;
  if (url === null) return null;
  const { inspect } = await import("../store/postgres/inspect.ts");
  return inspect(await databaseAddress(settings, url));
}
