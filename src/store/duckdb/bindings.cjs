// Stands in for @duckdb/node-bindings in the compiled executable (build.ts):
// what native.ts has loaded. It cannot be required from there: that would turn
// every module behind it into one that is initialised on demand, and the
// wrapper's start would pay for it.
module.exports = globalThis[Symbol.for("session-buddy.duckdb")];
