/** Rules for what is given to a name: options, variables, fields, statements. */
import {
  GLUED,
  HEAD,
  NAME,
  NAMES,
  type Rule,
  SECRET_WORD,
  VALUE,
  WITHIN,
  WS,
} from "./rule.ts";

/** One quoted text. */
const QUOTED = `\\\\?"(?:[^"\\\\\\n]|\\\\[^"]){1,8192}\\\\?"|'[^'\\n]{1,8192}'`;

export const ASSIGNMENTS: readonly Rule[] = [
  {
    ...{ name: "option", group: "assignment", near: NAMES },
    pattern: `(?<=^|[${WS}])--?(?:[a-z0-9][\\w.-]{0,40}[-_.])?(?:${SECRET_WORD})(?:=|[ \\t]{1,8}(?!-))(?<s>${VALUE})`,
    any_case: true,
    examples: ["wget --user=bob --password=‹Wg3tPw› https://x/f"],
  },
  {
    ...{
      name: "slash-option",
      group: "assignment",
      near: ["/p[aw]*:", "/token:", "/secret:", "/rp:"],
    },
    pattern: `[${WS}]/(?:password|pass|pwd|token|secret|rp):(?<s>${VALUE})`,
    any_case: true,
    examples: ["net use x: /user:bob /pwd:‹N3tUse›"],
  },
  {
    ...{ name: "assignment", group: "assignment", near: NAMES },
    pattern: `${HEAD}(?:${NAME})=(?<s>${VALUE})`,
    any_case: true,
    examples: [
      "PGPASSWORD=‹pgpw99› psql -h db",
      "mount -t cifs //srv/s /mnt -o username=bob,password=‹C1fsPw›",
    ],
  },
  {
    ...{ name: "assignment", group: "assignment", near: NAMES },
    pattern: `${HEAD}\\$?(?:env:)?(?:${GLUED})=(?<s>${VALUE})`,
    examples: ["helm install a ./c --set auth.rootPassword=‹h3lmPw›"],
  },
  {
    ...{ name: "field", group: "assignment", near: NAMES },
    pattern: `(?<![\\w.-]{2}|alias )(?:${NAME})\\\\?["']?\\]?[ \\t]{0,8}(?::|=>|=)[ \\t]{0,8}(?:str\\()?[rbuf]?(?<s>${QUOTED})`,
    any_case: true,
    examples: [`os.environ["DB_PASSWORD"] = ‹"pyPw123"›`],
  },
  {
    ...{ name: "field", group: "assignment", near: NAMES },
    pattern: `(?<!\\w)(?:${GLUED})\\\\?["']?\\]?[ \\t]{0,8}(?::|=>|=)[ \\t]{0,8}[rbuf]?(?<s>${QUOTED})`,
    examples: [`curl -d '{"dbPassword": ‹"J5onPw!"›}' https://x`],
  },
  {
    ...{ name: "config-set", group: "assignment" },
    near: [
      "config*secret",
      "config*token",
      "config*pass",
      "config*_auth",
      "config*key",
    ],
    pattern: `\\b(?:configure[ ]{1,8}set|config(?:[ ]{1,8}(?:--global|-g))?(?:[ ]{1,8}set)?)[ ]{1,8}[^${WS}]{0,255}(?:secret|token|password|passwd|_auth|api[_-]?key|access_key|pass)\\w{0,40}[ =]{1,8}(?<s>${VALUE})`,
    any_case: true,
    examples: ["aws configure set aws_secret_access_key ‹8sdf/sdfSDFs¦df98›"],
  },
  {
    ...{ name: "fish-set", group: "assignment", near: NAMES },
    pattern: `\\b(?:set|setenv)[ \\t]{1,8}(?:--?\\w{1,20}[ \\t]{1,8}){0,4}(?:(?:${NAME})|(?:${GLUED}))[ \\t]{1,8}(?<s>${VALUE})`,
    any_case: true,
    examples: ["set -x DB_PASSWORD ‹f1shPw›"],
  },
  {
    ...{ name: "auth-tuple", group: "assignment", near: ["auth*("] },
    pattern: `\\bauth[ ]{0,8}=[ ]{0,8}\\([ ]{0,8}["'][^"']{0,255}["'][ ]{0,8},[ ]{0,8}(?<s>["'][^"']{1,4096}["'])`,
    any_case: true,
    examples: [`requests.get(u, auth=("bob", ‹"pyPw789"›))`],
  },
  {
    ...{ name: "sql-password", group: "assignment" },
    near: ["identified", "password"],
    pattern: `\\b(?:identified[${WS}]{1,8}(?:with[${WS}]{1,8}[^${WS}]{1,64}[${WS}]{1,8})?by|password)[${WS}]{1,8}(?:password[${WS}]{1,8})?(?<s>'[^']{1,4096}'|\\\\?"[^"]{1,4096}")`,
    any_case: true,
    examples: [
      `mysql -e "CREATE USER 'a'@'%' IDENTIFIED BY ‹'Cr8Pw'›;"`,
      `psql -c "ALTER USER app WITH PASSWORD ‹'Alt3rPw'›"`,
    ],
  },
  {
    ...{ name: "sql-password", group: "assignment", near: ["set*password"] },
    pattern: `\\bset[${WS}]{1,8}password\\b[^"\\n=]{0,200}=[${WS}]{0,8}(?:password\\()?[${WS}]{0,8}(?<s>'[^']{1,4096}')`,
    any_case: true,
    examples: [`mysql -e "SET PASSWORD FOR 'a'@'h' = ‹'S3tPw'›"`],
  },
  {
    ...{ name: "secret-path", group: "assignment" },
    near: ["kv put", "etcdctl*put"],
    pattern: `\\b(?:consul[ ]{1,8}kv|etcdctl)[ ]{1,8}put[ ]{1,8}(?:-[^${WS}]{1,64}[ ]{1,8}){0,4}[^${WS}]{0,255}?(?:${SECRET_WORD})[ ]{1,8}(?<s>${VALUE})`,
    any_case: true,
    examples: ["consul kv put app/db_password ‹C0nsul›"],
  },
  {
    ...{ name: "kubectl-literal", group: "assignment", near: ["from-literal"] },
    pattern: `--from-literal[= ]["']?[\\w.-]{1,255}=(?<s>${VALUE})`,
    examples: ["kubectl create secret generic db --from-literal=a=‹hunter2x›"],
  },
  {
    ...{ name: "secret-set", group: "assignment" },
    near: ["secret", "config:set", "put-parameter"],
    pattern: `\\b(?:gh[ ]{1,8}secret[ ]{1,8}set|heroku[ ]{1,8}config:set|fly(?:ctl)?[ ]{1,8}secrets[ ]{1,8}set|aws[ ]{1,8}secretsmanager[ ]{1,8}(?:put|create|update)-secret\\w{0,20}|aws[ ]{1,8}ssm[ ]{1,8}put-parameter|gcloud[ ]{1,8}secrets[ ]{1,8}\\w{1,20})\\b${WITHIN}(?:--body|-b|--secret-string|--value|--data)[= ][ ]{0,8}(?<s>${VALUE})`,
    examples: ["gh secret set NAME --body ‹GhS3cret›"],
  },
  {
    ...{ name: "secret-set", group: "assignment" },
    near: ["secrets set", "config:set"],
    pattern:
      "\\b(?:fly(?:ctl)?[ ]{1,8}secrets[ ]{1,8}set|heroku[ ]{1,8}config:set)\\b(?<s>[^\\n;|&]{0,8192})",
    each: `[ ][A-Za-z_]\\w{0,255}=(?<s>${VALUE})`,
    examples: ["fly secrets set SALT=‹Fly5a¦1t› -a app"],
  },
  {
    ...{ name: "vault-value", group: "assignment", near: ["vault ", "bao "] },
    pattern:
      "\\b(?:vault|bao)[ ]{1,8}(?:kv[ ]{1,8}(?:put|patch)|write)\\b(?<s>[^\\n;|&]{0,8192})",
    each: `[ ][\\w./-]{1,255}=(?<s>(?!@)${VALUE})`,
    examples: ["vault kv put secret/app api=‹V4ultV4lue›"],
  },
];
