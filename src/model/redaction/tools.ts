/**
 * Programs that are called with a password. Where no rule found it, nobody
 * knows where it stands: the arguments are withheld, and the program is kept.
 */
import { isNear } from "./near.ts";
import { WITHIN, WS } from "./rule.ts";

interface Tool {
  near: readonly string[];
  /** What is withheld begins where its group `p` ends. */
  pattern: string;
  examples: readonly string[];
}

const G = `[${WS}]{1,8}`;
/** A program, and what makes it one that is given a secret. */
const called = (programs: string, how: string) =>
  `(?<![\\w./-])(?<p>(?:[\\w./-]{1,128}/)?(?:${programs}))(?![\\w-])(?:${how})`;

export const TOOLS: readonly Tool[] = [
  {
    near: ["sshpass"],
    pattern: called("sshpass", `${G}(?!-[feVh])`),
    examples: ["sshpass hunter2"],
  },
  {
    near: ["passwd*-*b", "mkpasswd", "passwd*<<<"],
    pattern: called(
      "htpasswd|mkpasswd|smbpasswd|vncpasswd|chpasswd",
      `${WITHIN}(?:${G}-\\w{0,9}b|<<<)|(?<=mkpasswd)(?=${WITHIN}${G}(?!-)\\w)`,
    ),
    examples: ["mkpasswd -m sha-512 hunter2"],
  },
  {
    near: ["kadmin", "kinit*<<<", "ktutil"],
    pattern: called(
      "kadmin(?:\\.local)?|kinit|ktutil",
      `${WITHIN}(?:${G}-(?:w|pw|x)\\b|<<<)`,
    ),
    examples: ["kadmin -p a/admin -w hunter2 -q listprincs"],
  },
  {
    near: ["rclone"],
    pattern: called(
      "rclone",
      `${WITHIN}${G}(?:obscure|config${G}(?:create|update|password))`,
    ),
    examples: ["rclone obscure hunter2"],
  },
  {
    near: ["samba-tool"],
    pattern: called("samba-tool", `${G}user${G}(?:create|add|setpassword)`),
    examples: ["samba-tool user create bob hunter2"],
  },
  {
    near: ["pdftk*_pw", "qpdf*--encrypt", "qpdf*--password"],
    pattern: called(
      "pdftk|qpdf",
      `${WITHIN}(?:${G}(?:owner|user|input)_pw|${G}--(?:encrypt|password))`,
    ),
    examples: ["pdftk a.pdf output b.pdf user_pw hunter2"],
  },
  {
    near: ["radtest", "radclient", "eapol_test"],
    pattern: called("radtest|radclient|eapol_test", G),
    examples: ["radtest bob hunter2 localhost 0 testing"],
  },
  {
    near: ["security *keychain", "security *password"],
    pattern: called(
      "security",
      `${G}[a-z-]{0,40}(?:keychain|password)${WITHIN}${G}-[pPw]`,
    ),
    examples: ["security unlock-keychain -p hunter2 login.keychain"],
  },
  {
    near: ["secret-tool", "keyctl", "systemd-creds", "pass insert"],
    pattern: called(
      "secret-tool|keyctl|systemd-creds|pass",
      `${G}(?:store|padd|add|update|pupdate|encrypt|insert)\\b(?=${WITHIN}(?:<<<|add))|(?<=keyctl)${G}p?(?:add|update)\\b`,
    ),
    examples: ["keyctl add user mykey hunter2 @u"],
  },
  {
    near: ["bw *login", "bw *unlock", "op *signin", "lpass *login"],
    pattern: called(
      "bw|op|lpass",
      `${G}(?:(?:login|unlock)${G}(?!--)\\S{1,255}(?=${G}|$)|signin${WITHIN}<<<)`,
    ),
    examples: ["bw unlock hunter2"],
  },
  {
    near: [
      "beeline",
      "sqoop",
      "isql",
      "sqsh",
      "tsql",
      "snowsql",
      "bteq",
      "db2",
    ],
    pattern: called(
      "beeline|sqoop|sqsh|tsql|snowsql|bteq|i?sql|db2",
      `${WITHIN}${G}(?:-[pP]${G}?\\S|using\\b)|(?<=isql)${G}(?:(?!-)\\S{1,255}${G}){2}(?!-)\\S`,
    ),
    examples: ["isql mydsn bob hunter2"],
  },
  {
    near: ["impacket-", "exec.py", "secretsdump", "nxc", "netexec", "mapexec"],
    pattern: called(
      "impacket-\\w{1,30}|\\w{1,30}exec\\.py|secretsdump(?:\\.py)?|nxc|netexec|crackmapexec",
      `${WITHIN}(?:${G}-[pH]\\b|\\w:[^ ]{1,255}@)`,
    ),
    examples: ["impacket-psexec corp/bob:hunter2@10.0.0.1"],
  },
  {
    near: ["hydra", "medusa", "ncrack", "smbmap", "rdesktop", "winrm"],
    pattern: called(
      "hydra|medusa|ncrack|smbmap|rdesktop|evil-winrm",
      `${WITHIN}${G}-p`,
    ),
    examples: ["medusa -h h -u bob -p hunter2"],
  },
  {
    near: ["openssl*-k", "openssl*-pass", "openssl*-hmac"],
    pattern: called(
      "openssl",
      `${WITHIN}${G}-(?:k|K|hmac)${G}(?!\\$)|${WITHIN}${G}-pass(?:in|out)?${G}(?!file:|env:|fd:|stdin)`,
    ),
    examples: ["openssl enc -aes256 -k hunter2 -in f"],
  },
  {
    near: ["gpg*--passphrase*<<<", "steghide*-p", "cryptsetup*<<<"],
    pattern: called("gpg2?|steghide|cryptsetup", `${WITHIN}(?:<<<|${G}-p${G})`),
    examples: ["steghide extract -sf a.jpg -p hunter2"],
  },
  {
    near: ["rar *-p", "rar *-hp", "7z*-p"],
    pattern: called("unrar|rar|7z[ar]?", `${WITHIN}${G}-h?p[^${WS}]`),
    examples: ["rar a -hphunter2 a.rar f"],
  },
  {
    near: ["zip *-p"],
    pattern: called("zip|unzip", `${WITHIN}${G}-P`),
    examples: ["sudo zip -r a.zip d -P"],
  },
  {
    near: ["secret create", "secret set", "secrets set", "secrets create"],
    pattern: called(
      "docker|podman|gh|az|fly|flyctl|doppler|gcloud|wrangler|supabase|infisical|kubectl",
      `${WITHIN}${G}secrets?${G}(?:create|set|put)\\b(?=${WITHIN}(?:<<<|=|--value|--body|--data-file=-))`,
    ),
    examples: ["doppler secrets set NAME=hunter2"],
  },
  {
    near: ["vault ", "bao "],
    pattern: called(
      "vault|bao",
      `${G}(?:operator${G}unseal|login|unwrap)${G}(?!-)[\\w./+=-]`,
    ),
    examples: ["vault operator unseal short"],
  },
  {
    near: ["expect*send", "spawn*send"],
    pattern: called(
      "expect|spawn",
      `[^]{0,2048}?\\bsend(?:_user)?\\b[^]{0,64}?\\\\r`,
    ),
    examples: [`expect -c 'spawn ssh h; send "hunter2\\r"'`],
  },
  {
    near: ["iwconfig*key", "netsh*key"],
    pattern: called("iwconfig|netsh", `${WITHIN}\\bkey(?:material)?[ =]`),
    examples: ["iwconfig wlan0 key s:hunter2"],
  },
  {
    near: ["rabbitmq*-p", "mongo*-p", "redis*-a", "mosquitto*-p"],
    pattern: called(
      "rabbitmqadmin|mongo\\w{0,12}|redis-cli|mosquitto_\\w{3,6}",
      `${WITHIN}${G}(?:-p${G}?[^ -]|-a\\b|-P\\b)(?<!--port)`,
    ),
    examples: ["rabbitmqadmin -u bob -p hunter2 list queues"],
  },
  {
    near: ["certutil*-p", "signtool*/p", "pk12util*-w"],
    pattern: called(
      "certutil|signtool|pk12util",
      `${WITHIN}${G}(?:-[pW]|/p)${G}`,
    ),
    examples: ["signtool sign /f cert.pfx /p hunter2 app.exe"],
  },
  {
    near: ["az *-p ", "az *--admin-pass"],
    pattern: called("az", `${WITHIN}${G}-p${G}`),
    examples: ["az sql server create -u adm -p hunter2 -n s"],
  },
];

/**
 * @param lower the text in lower case
 * @param seen where rules looked
 * @param late whether the deadline has passed
 * @returns where what is withheld begins, or null
 */
export function withheldFrom(
  text: string,
  lower: string,
  seen: readonly (readonly [number, number])[],
  late: () => boolean,
): number | null {
  let first: number | null = null;
  for (const { near, pattern } of TOOLS) {
    if (!near.some((glob) => isNear(lower, glob))) continue;
    const regexp = new RegExp(pattern, "dg");
    for (let match; !late() && (match = regexp.exec(text));) {
      const [begin, at] = match.indices!.groups!["p"]!;
      const end = commandEnd(text, begin);
      regexp.lastIndex = Math.max(end, match.index + 1);
      if (seen.some(([from]) => from >= begin && from < end)) continue;
      if (first === null || at < first) first = at;
      break;
    }
  }
  return first;
}

const END = /[\n;|&]/g;

/** Where the simple command that begins there ends. */
function commandEnd(text: string, from: number): number {
  END.lastIndex = from;
  return END.exec(text)?.index ?? text.length;
}
