/** Flags that several commands have. */

export const CONFIG_FLAG = {
  type: "string",
  valueHint: "file",
  description: "Read this configuration too",
} as const;

export const JSON_FLAG = { type: "boolean", description: "As JSON" } as const;

export const COLOR_FLAG = {
  type: "boolean",
  default: true,
  description: "No colours at a terminal",
} as const;

export const YES_FLAG = {
  type: "boolean",
  alias: "y",
  description: "Do it without asking",
} as const;

/** How `mcp stop` and `mcp restart` end the running server. */
export const STOP_FLAGS = {
  timeout: {
    type: "string",
    default: "10",
    valueHint: "seconds",
    description: "How long to wait for its end (default: 10)",
  },
  force: {
    type: "boolean",
    description: "Kill it when it has not ended then",
  },
} as const;

export const READ_ONLY_FLAG = {
  type: "boolean",
  description: "Offer no tools that record anything",
} as const;
