/**
 * The floor that a start is measured against: an empty program, compiled by the
 * same Bun in the same way.
 */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * @param folder where it is made
 * @returns the executable
 */
export async function buildEmpty(folder: string): Promise<string> {
  const empty = join(folder, "empty");
  writeFileSync(`${empty}.ts`, "export {};\n");
  await Bun.build({
    entrypoints: [`${empty}.ts`],
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    compile: {
      outfile: `${empty}.built`,
      autoloadDotenv: false,
      autoloadBunfig: false,
    },
  });
  // How a file was written counts for its start: build.ts writes ours plainly.
  copyFileSync(`${empty}.built`, empty);
  return empty;
}
