/** JSON values, and how deeply they may be nested. */

/** Levels of arrays and objects in an event: stringifying recurses. */
export const MAX_DEPTH = 100;

export type Json =
  null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** Whether arrays and objects are nested in more levels. */
export function isDeeper(value: unknown, levels: number = MAX_DEPTH): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value))
    return value.some((inner) => isDeeper(inner, levels - 1));
  for (const key in value)
    if (isDeeper(value[key as never], levels - 1)) return true;
  return false;
}
