/**
 * Writes a systemd user unit for the server: it notifies systemd when it is ready,
 * and has only the rights that it needs.
 * @param executable an absolute path
 * @param flags of `mcp start`
 */
export function systemdUnit(
  executable: string,
  flags: readonly string[],
): string {
  return `[Unit]
Description=Session-Buddy, the flight recorder for admin shells
Documentation=man:systemd.exec(5)

[Service]
Type=notify
NotifyAccess=main
ExecStart=${[executable, "mcp", "start", ...flags].map(unitWord).join(" ")}
Restart=on-failure
RestartSec=1
TimeoutStopSec=30
# A port that is taken, or a refused configuration, does not mend itself.
RestartPreventExitStatus=1 3 5 64
UMask=0077
Environment=TMPDIR=/tmp
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
CapabilityBoundingSet=
# Not MemoryDenyWriteExecute: the engine compiles code, and without it there are
# no locks and no look-up of who asks.
MemoryDenyWriteExecute=no

[Install]
WantedBy=default.target
`;
}

/** A word of ExecStart: quoted where it must be, systemd's own signs doubled. */
function unitWord(word: string): string {
  const escaped = word.replace(/[\\"]/g, "\\$&").replace(/[%$]/g, "$&$&");
  return /^[\w@%+=:,./-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}
