declare module "*.zst" {
  const path: string;
  export default path;
}
declare module "*.bin" {
  const path: string;
  export default path;
}
declare module "*/dist/native/manifest.json" {
  const manifest: {
    version: string;
    digest: string;
    library: { bytes: number; sha256: string };
    addon: { bytes: number; sha256: string };
  };
  export default manifest;
}
