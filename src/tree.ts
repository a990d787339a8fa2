export async function runTree(argv: readonly string[]): Promise<number> { console.log(argv); return 0; }
