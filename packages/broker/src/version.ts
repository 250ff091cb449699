/** version.ts: the version of this software, as metrics, descriptions and registrations show it; equal to package.json. */
export const VERSION = "0.1.0";
