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
    library_bytes: number;
    addon_bytes: number;
  };
  export default manifest;
}
