/** The files of the dashboard's page, and the headers of whatever is answered to it. */
import html from "../../../dist/web/index.html.txt" with { type: "text" };
import script from "../../../dist/web/main.js.txt" with { type: "text" };
import player from "../../../dist/web/player.js.txt" with { type: "text" };
import style from "../../../dist/web/main.css.txt" with { type: "text" };

/**
 * Nothing from elsewhere, nothing that stands in the page itself, no frame around it.
 * The player of recordings needs WebAssembly.
 */
const POLICY = [
  ...["default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'"],
  ...["style-src 'self'", "img-src 'self' data:", "connect-src 'self'"],
  ...["frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"],
].join("; ");

export const PAGE_HEADERS = {
  "content-security-policy": POLICY,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
} as const;

/** By path. */
const FILES = {
  "/": { text: html, type: "text/html" },
  "/main.js": { text: script, type: "text/javascript" },
  "/player.js": { text: player, type: "text/javascript" },
  "/main.css": { text: style, type: "text/css" },
};

export type PageFile = keyof typeof FILES;
export const PAGE_FILES = Object.keys(FILES) as PageFile[];

export function pageFile(path: PageFile): Response {
  const { text, type } = FILES[path];
  return new Response(text, {
    headers: { "content-type": `${type}; charset=utf-8` },
  });
}
