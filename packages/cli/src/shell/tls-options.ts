/** tls-options.ts: advice about TLS in the words of the command line: its options instead of the settings of the SDK, whose errors it shows. */

const OPTION_OF: Readonly<Record<string, string>> = {
  caFile: "--tls-ca-file",
  certFile: "--tls-cert-file",
  keyFile: "--tls-key-file",
  serverName: "--tls-server-name",
};

/** The text with options for settings of this client; a broker's settings keep their names. */
export function inOptions(text: string): string {
  return text.replace(/(?<!broker's )\btls\.(\w+)/g, (setting, name: string) => OPTION_OF[name] ?? setting);
}
