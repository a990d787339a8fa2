// Stands in for @duckdb/node-bindings in the compiled executable (build.ts).
module.exports = require("./native.ts").binding();
