/** The style is bundled beside the script. */
declare module "*.css" {}
