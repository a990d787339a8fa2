/** How DuckDB is set up. */
export const OPTIONS = {
  // Of new files: from this version on a log names the file that it belongs to.
  storage_compatibility_version: "v1.4.0",
  memory_limit: "512MB",
  // Commits wait for a checkpoint: 80 ms at 16 MB, 300 at 64, the same in all.
  // At 8 MB more than one call in a hundred of 64 clients would meet one.
  wal_autocheckpoint: "16MB",
  // Nor does one join small row groups, which takes seconds: see `checkpoint`.
  max_vacuum_tasks: "0",
  allocator_background_threads: "true",
  autoinstall_known_extensions: "false",
  autoload_known_extensions: "false",
};
