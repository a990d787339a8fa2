/** Rules for programs that take a password as an argument of their own kind. */
import { type Rule, VALUE, WITHIN, WORD, WS } from "./rule.ts";

export const ARGUMENTS: readonly Rule[] = [
  {
    ...{ name: "mysql-password", group: "argument" },
    near: [
      "mysql*-p",
      "maria*-p",
      "mycli*-p",
      "xtrabackup*-p",
      "innobackup*-p",
      "percona*-p",
    ],
    pattern: `\\b(?:mysql\\w{0,30}|mariadb[\\w-]{0,30}|mycli|xtrabackup|innobackupex|percona\\w{0,30})\\b${WITHIN}[${WS}]-p(?!rint|rune|ath\\b)(?<s>${VALUE})`,
    examples: ["mysqldump -uroot -p‹hunter22› shop > dump.sql"],
  },
  {
    ...{ name: "sshpass", group: "argument", near: ["sshpass*-p"] },
    pattern: `\\bsshpass\\b${WITHIN}[${WS}]-p[ ]{0,8}(?<s>${VALUE})`,
    examples: ["sshpass -p ‹hunter2› ssh root@10.0.0.1"],
  },
  {
    ...{ name: "login-password", group: "argument" },
    near: [
      ...["login*-p", "mongo*-p", "upload*-p", "mapexec*-p", "netexec*-p"],
      ...["nxc*-p", "winrm*-p", "rdesktop*-p", "cqlsh*-p", "smbmap*-p"],
      ...["influx*-p", "hydra*-p", "beeline*-p", "sqoop*-p"],
    ],
    pattern: `\\b(?:(?:docker|podman|nerdctl|buildah|skopeo|helm|oras|az|oc|cf|ibmcloud|registry|crane|regctl|argocd)\\b${WITHIN}\\blogin|twine\\b${WITHIN}\\bupload|mongo(?:sh|dump|restore|export|import)?|crackmapexec|nxc|netexec|evil-winrm|rdesktop|cqlsh|smbmap|influx|hydra|beeline|sqoop)\\b${WITHIN}[${WS}]-p[ ]{0,8}(?<s>(?!ort\\b|assword)${VALUE})`,
    examples: ["docker login -u me -p ‹dckrpass123› registry.example.com"],
  },
  {
    ...{ name: "7z-password", group: "argument" },
    near: ["7z*-p", "rar *-p"],
    pattern: `\\b(?:7z[ar]?|rar|unrar)[${WS}]${WITHIN}-p(?<s>${VALUE})`,
    examples: ["7z a -p‹S3venZ› a.7z dir"],
  },
  {
    ...{ name: "zip-password", group: "argument" },
    near: ["zip *-p", "ipmi*-p", "cmd*-p", "bcp*-p", "mosquitto*-p"],
    pattern: `\\b(?:zip|unzip|ipmitool|sqlcmd|bcp|mosquitto_pub|mosquitto_sub)\\b${WITHIN}[${WS}]-P[ ]{0,8}(?<s>${VALUE})`,
    examples: ["zip -P ‹Z1pPw› -r a.zip dir"],
  },
  {
    ...{ name: "redis-auth", group: "argument", near: ["redis"] },
    pattern: `\\bredis-cli\\b${WITHIN}[${WS}](?:(?:-a|--pass)[ ]{0,8}|(?:AUTH|auth|requirepass|masterauth)[ ]{1,8})(?<s>${VALUE})`,
    examples: ["redis-cli -h r1 -a ‹R3disPw› ping"],
  },
  {
    ...{ name: "ldap-password", group: "argument" },
    near: ["ldap*-w", "ldap*-s", "ldap*-a", "slappasswd"],
    pattern: `\\b(?:ldap(?:search|add|modify|delete|passwd|whoami|modrdn|compare)|slappasswd)\\b${WITHIN}[${WS}]-(?:w[ ]{0,8}|[sa][ ]{1,8}(?!sub|base|one))(?<s>${VALUE})`,
    examples: ["ldapsearch -x -D cn=admin,dc=x -w ‹Ld4pPw› -b dc=x"],
  },
  {
    ...{ name: "htpasswd", group: "argument", near: ["htpasswd*-*b"] },
    pattern: `\\bhtpasswd\\b(?:[ ]{1,8}-\\w{1,9}){0,4}[ ]{1,8}-(?:\\w{0,9}n\\w{0,9}b|\\w{0,9}b\\w{0,9}n)\\w{0,9}[ ]{1,8}${WORD}[ ]{1,8}(?<s>${VALUE})`,
    examples: ["htpasswd -nbB alice ‹Al1cePass›"],
  },
  {
    ...{ name: "htpasswd", group: "argument", near: ["htpasswd*-*b"] },
    pattern: `\\bhtpasswd\\b(?:[ ]{1,8}-\\w{1,9}){0,4}[ ]{1,8}-[ac-mo-zA-Z]{0,9}b[a-mo-zA-Z]{0,9}(?:[ ]{1,8}-\\w{1,9}){0,4}[ ]{1,8}(?!-)${WORD}[ ]{1,8}${WORD}[ ]{1,8}(?<s>${VALUE})`,
    examples: ["htpasswd -b /etc/nginx/.htpasswd bob ‹B0bsPass›"],
  },
  {
    ...{ name: "user-password", group: "argument" },
    near: [" -u*[:%]", " -a*[:%]"],
    pattern: `\\b(?:curl|wget|https?|httpie|xh|ab|wrk|smbclient|rpcclient|net|smbget|curlftpfs|siege|jfrog|wfuzz|ffuf|elasticdump|cadaver)\\b[^\\n|]{0,400}?[${WS}](?:-u|-U|-a|-A)[= ]?[ ]{0,8}["']?[\\w.@\\\\/+-]{0,255}[:%](?<s>(?![/\\\\$])[^${WS}'"]{1,4096})`,
    examples: [
      "curl -u admin:‹S3cr3t!› https://api.example.com/v1",
      "smbclient //srv/share -U 'bob%‹Sm8Pass›'",
    ],
  },
  {
    ...{ name: "user-password", group: "argument" },
    near: ["-user*:", "-userp*:", "-auth*:", "-login*:"],
    pattern: `[${WS}]--?(?:(?:proxy-)?user|userpass|userpwd|auth|login)[= ]["']?[\\w.@-]{1,255}:(?<s>(?![/\\\\$])[^${WS}'"/]{1,4096})`,
    examples: ["curl -sS --user 'deploy:‹hunter2pass›' https://x"],
  },
  {
    ...{ name: "snmp", group: "argument", near: ["snmp*-[ax]"] },
    pattern: "\\bsnmp\\w{1,20}\\b(?<s>[^\\n;|&]{0,8192})",
    each: `[${WS}]-[AX][ ]{0,8}(?<s>${VALUE})`,
    examples: ["snmpwalk -v3 -u bob -A ‹SnmpAuth1› h"],
  },
  {
    ...{ name: "oracle-password", group: "argument" },
    near: ["sqlplus", "rman ", "pdp ", "sqlldr"],
    pattern: `\\b(?:sqlplus|rman|expdp|impdp|sqlldr)\\b${WITHIN}[${WS}]["']?(?:userid=)?\\w{1,128}/(?<s>[^@${WS}'"/]{1,255})(?=["']?(?:@|[${WS}]|$))`,
    examples: ["sqlplus system/‹Or4cle›@//db:1521/XE"],
  },
  {
    ...{ name: "rdp-password", group: "argument", near: ["rdp*/p:"] },
    pattern: `\\b(?:[xw]l?freerdp3?|mstsc)\\b${WITHIN}[${WS}]/p:(?<s>${VALUE})`,
    examples: ["xfreerdp /u:bob /p:‹RdpPw1› /v:host"],
  },
  {
    ...{ name: "pass-argument", group: "argument", near: ["pass:"] },
    pattern: `\\bpass:(?<s>${VALUE})`,
    examples: ["openssl rsa -in key.pem -passin pass:‹'top secret'›"],
  },
  {
    ...{ name: "pass-argument", group: "argument" },
    near: ["keytool*pass", "jarsigner*pass", "openssl*pass"],
    pattern: `\\b(?:openssl|keytool|jarsigner)\\b(?<s>[^\\n;|&]{0,8192})`,
    each: `[${WS}]-(?:pass|password|storepass|keypass|srcstorepass|deststorepass|srckeypass|destkeypass)[ ]{1,8}(?<s>(?!file:|env:|fd:|stdin|pass:|-)${VALUE})`,
    examples: ["keytool -list -storepass ‹chang3it›"],
  },
  {
    ...{ name: "vault-value", group: "argument" },
    near: ["vault *", "bao *"],
    pattern:
      "\\b(?:vault|bao)[ ]{1,8}(?:login|unwrap|operator unseal)[ ]{1,8}(?:-[\\w=-]{1,64}[ ]{1,8}){0,4}(?<s>(?!-)[\\w./+=-]{8,4096})",
    examples: ["vault operator unseal ‹abcDEF123456›"],
  },
  {
    ...{ name: "wifi-password", group: "argument" },
    near: ["nmcli*password", "nmcli*psk", "wpa_passphrase"],
    pattern: `\\bnmcli\\b${WITHIN}\\b(?:password|(?:wifi-sec|802-11-wireless-security)\\.psk)[ ]{1,8}(?<s>${VALUE})|\\bwpa_passphrase[ ]{1,8}${WORD}[ ]{1,8}(?<t>${VALUE})`,
    examples: ["nmcli dev wifi connect HomeNet password ‹W1fiPw88›"],
  },
  {
    ...{ name: "lftp", group: "argument", near: ["ftp*-u*,"] },
    pattern: `\\blftp\\b${WITHIN}[${WS}]-u[ ]{0,8}[\\w.@-]{1,255},(?<s>${VALUE})`,
    examples: ["lftp -u bob,‹Lftp1› ftp.example.org"],
  },
  {
    ...{ name: "ssh-passphrase", group: "argument", near: ["ssh-keygen*-"] },
    pattern: "\\bssh-keygen\\b(?<s>[^\\n;|&]{0,8192})",
    each: `[${WS}]-[NP][ ]{0,8}(?<s>${VALUE})`,
    examples: ["ssh-keygen -t ed25519 -N ‹'K3y'› -f k"],
  },
  {
    ...{ name: "add-user", group: "argument" },
    near: ["rabbitmqctl", "mc alias"],
    pattern: `\\b(?:rabbitmqctl[ ]{1,8}(?:add_user|change_password)[ ]{1,8}${WORD}|mc[ ]{1,8}alias[ ]{1,8}set[ ]{1,8}${WORD}[ ]{1,8}${WORD}[ ]{1,8}${WORD})[ ]{1,8}(?<s>${VALUE})`,
    examples: ["rabbitmqctl add_user bob ‹R4bbit›"],
  },
  {
    ...{ name: "usermod", group: "argument" },
    near: ["useradd*-p", "usermod*-p"],
    pattern: `\\b(?:useradd|usermod)\\b${WITHIN}[${WS}]-p[ ]{0,8}(?<s>${VALUE})`,
    examples: ["useradd -m -p ‹'plainpw77'› bob"],
  },
  {
    ...{ name: "net-user", group: "argument", near: ["net *user "] },
    pattern: `\\bnet[ ]{1,8}user[ ]{1,8}${WORD}[ ]{1,8}(?<s>(?!/)${VALUE})`,
    examples: ["net user bob ‹N3tPw› /add"],
  },
  {
    ...{ name: "openssl-passwd", group: "argument", near: ["openssl*passwd"] },
    pattern: `\\bopenssl[ ]{1,8}passwd(?:[ ]{1,8}-\\w{1,12}){0,6}[ ]{1,8}(?<s>(?!-)${VALUE})`,
    examples: ["openssl passwd -6 ‹0pensslPw›"],
  },
];

/** What is handed on through a pipe, or by a here-string. */
export const PIPES: readonly Rule[] = [
  {
    ...{ name: "piped-password", group: "pipe" },
    near: [
      ...["|*login", "|*stdin", "|*sudo*-*s", "|*passwd", "|*cryptsetup"],
      ...["|*gh ", "|*kinit", "|*gpg", "|*pass ", "|*ssh-add", "|*su "],
    ],
    pattern: `\\b(?:echo|printf)[ ]{1,8}(?:-\\w{1,8}[ ]{1,8}|--[ ]{1,8}|["']?%s(?:\\\\n)?["']?[ ]{1,8}){0,4}(?<s>${WORD})[ ]{0,8}\\|[ ]{0,8}(?:[^ |\\n]{1,64}[ ]{1,8}){0,6}?(?:[^ |\\n]{0,64}login\\b[^\\n|]{0,255}(?:-stdin|--with-token)|[^ |\\n]{0,64}--password-stdin|sudo[ ]{1,8}(?:-\\w{1,8}[ ]{1,8}){0,4}-\\w{0,8}S|passwd\\b|chpasswd|cryptsetup|openssl[ ]{1,8}passwd|gh[ ]{1,8}(?:auth|secret)|kinit|gpg\\b[^\\n|]{0,255}--passphrase-fd|smbpasswd|pass[ ]{1,8}insert|ssh-add|vault[ ]{1,8}login|su[ ])`,
    examples: [
      `echo ‹"s3cretpw"› | docker login -u me --password-stdin`,
      "echo ‹mysudopw› | sudo -S apt update",
    ],
  },
  {
    ...{ name: "piped-password", group: "pipe" },
    near: ["|*base64", "|*openssl", "|*chpasswd"],
    pattern: `\\b(?:echo|printf)[ ]{1,8}(?:-\\w{1,8}[ ]{1,8}|["']?%s["']?[ ]{1,8}){0,4}(?<s>["']?[\\w.@-]{1,255}:[^${WS}|'"]{1,512}["']?)[ ]{0,8}\\|[ ]{0,8}(?:sudo[ ]{1,8})?(?:base64|openssl[ ]{1,8}base64|openssl[ ]{1,8}enc|chpasswd)\\b`,
    examples: ["echo -n ‹'admin:b64pw'› | base64"],
  },
  {
    ...{ name: "here-password", group: "pipe", near: ["<<<"] },
    pattern: `(?:\\blogin\\b[^\\n|]{0,255}-stdin|--password-stdin|\\bcryptsetup\\b[^\\n|]{0,255}|\\bgh (?:auth|secret)\\b[^\\n|]{0,255}|\\bkinit\\b[^\\n|]{0,100}|--with-token|--passphrase-fd \\d|\\b(?:\\w{0,12}passwd|su|sudo|login)\\b[^\\n|;]{0,200})[ ]{0,8}<<<[ ]{0,8}(?<s>${VALUE})`,
    examples: [`cryptsetup luksAddKey /dev/sdb1 <<< ‹"luksHere1"›`],
  },
];
