/** Rules for tokens that say themselves what they are, for URLs and for headers. */
import { type Rule, WS } from "./rule.ts";

/** Up to the quote around a header, or the word's end. */
const TO_QUOTE = `[^'"\\n\\\\]{0,8192}`;

export const TOKENS: readonly Rule[] = [
  {
    ...{ name: "private-key", group: "token", near: ["private key"] },
    pattern:
      "-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----(?<s>[^]{0,65536}?)(?:-----END|$)",
    examples: [
      "cat > k <<'E'\n--¦---BEGIN RSA PRIVATE KEY-----\n‹MIIEow¦IBAAKCAQEA›\n-----END RSA PRIVATE KEY-----\nE",
    ],
  },
  {
    ...{ name: "age-key", group: "token", near: ["age-secret-key-1"] },
    pattern: "(?<s>AGE-SECRET-KEY-1[0-9A-Z]{20,200})",
    examples: ["age -d -i <(echo ‹AGE-SEC¦RET-KEY-1QQQQQQQQ¦QQQQQQQQQQQQQ›) f"],
  },
  {
    ...{ name: "github-token", group: "token" },
    near: ["gh[pousr]_", "github_pat_"],
    pattern: "\\b(?<s>gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_\\w{20,255})",
    examples: ["echo ‹gh¦p_16C7e42F29¦2c6912E7710c838347Ae178B4a›"],
  },
  {
    ...{ name: "gitlab-token", group: "token" },
    near: [
      ...["glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glsoat-"],
      ...["glft-", "gloas-", "glagent-"],
    ],
    pattern:
      "\\b(?<s>gl(?:pat|dt|rt|ptt|cbt|soat|ft|oas|agent)-[\\w.-]{16,255})",
    examples: ["echo ‹gl¦pat-AbCdEf01¦23456789xyzQ›"],
  },
  {
    ...{ name: "slack-token", group: "token" },
    near: ["xox[abeoprs]-", "xapp-", "hooks.slack.com"],
    pattern:
      "\\b(?<s>xox[abeoprs]-[\\w-]{10,255}|xapp-\\d-[\\w-]{10,255})|hooks\\.slack\\.com/services/(?<t>[\\w/]{1,255})",
    examples: ["echo ‹xo¦xb-123456789¦012-abcdefABCDEF›"],
  },
  {
    ...{ name: "aws-key-id", group: "token" },
    near: ["akia", "asia", "abia", "acca"],
    pattern: "\\b(?<s>(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,64})\\b",
    examples: ["echo ‹AK¦IAIOSFODNN7EXAMPLE›"],
  },
  {
    ...{ name: "openai-key", group: "token", near: ["sk-"] },
    pattern: "(?<![\\w-])(?<s>sk-[A-Za-z0-9_-]{16,512})",
    examples: ["echo ‹sk¦-proj-abcdef¦ghijklmnop1234567890›"],
  },
  {
    ...{ name: "stripe-key", group: "token" },
    near: ["[spr]k_[lt]", "whsec_"],
    pattern: "\\b(?<s>[spr]k_(?:live|test)_\\w{10,255}|whsec_\\w{16,255})",
    examples: ["echo ‹sk¦_live_4eC39H¦qLyjWDarjtT1zdp7dc›"],
  },
  {
    ...{ name: "google-key", group: "token" },
    near: ["aiza", "ya29.", "gocspx-"],
    pattern:
      "\\b(?<s>AIza[\\w-]{30,255}|ya29\\.[\\w-]{20,2048}|GOCSPX-[\\w-]{20,255})",
    examples: ["echo ‹AI¦zaSyA1234567¦89abcdefghijklmnopqrstuv›"],
  },
  {
    ...{ name: "jwt", group: "token", near: ["eyj"] },
    pattern:
      "\\b(?<s>eyJ[\\w-]{8,16384}\\.[\\w-]{4,16384}(?:\\.[\\w-]{0,16384}){0,3})",
    examples: ["echo ‹ey¦JhbGciOiJIUzI1NiJ9.ey¦JzdWIiOiIxIn0.dozjgNryP4J3›"],
  },
  {
    ...{ name: "vendor-token", group: "token" },
    near: [
      ...[
        "npm_",
        "pypi-",
        "dop_v",
        "sg.[a-z0-9_-]*.",
        "hf_",
        "shp[acps]",
        "hv[sbr].",
      ],
      ...["dckr_pat", "atatt3", "lin_api_", "tskey-", "pmak-", "sq0", "gems_"],
      ...["dp.[ps]t", "glsa_", "sntrys_", "eaa", "accountkey=", "key-", ":aa"],
      `[mn]${"[a-z0-9]".repeat(23)}*.`,
    ],
    pattern:
      "(?<![\\w-])(?<s>npm_[A-Za-z0-9]{30,255}|pypi-[\\w-]{16,512}|dop_v1_[0-9a-f]{20,255}|SG\\.[\\w-]{16,255}\\.[\\w-]{16,255}|hf_[A-Za-z0-9]{20,255}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{20,255}|hv[sbr]\\.[\\w-]{20,512}|dckr_pat_[\\w-]{16,255}|ATATT3[\\w=.-]{20,512}|lin_api_\\w{20,255}|tskey-[\\w-]{16,255}|PMAK-[\\w-]{20,255}|sq0[a-z]{3}-[\\w-]{20,255}|rubygems_\\w{20,255}|dp\\.(?:pt|st)\\.\\w{20,255}|glsa_\\w{20,255}|sntrys_\\w{20,512}|EAA[A-Za-z0-9]{40,512}|AccountKey=[\\w+/=]{20,255}|key-[0-9a-f]{32}|[MN][A-Za-z\\d]{23,25}\\.[\\w-]{6}\\.[\\w-]{27,64}|\\d{8,10}:AA[\\w-]{33})",
    examples: ["echo ‹np¦m_abcdefghij¦klmnopqrstuvwxyz0123456789›"],
  },
  {
    ...{ name: "url-password", group: "url", near: ["://*:*@"] },
    pattern: `\\b[a-z][a-z0-9+.-]{0,30}://[^${WS}/:@'"$?#]{0,255}:(?<s>(?!\\$|\\{)[^${WS}/'"]{1,512}?)@(?=[\\w\\[$.-])`,
    any_case: true,
    examples: ["psql postgres://app:‹p4ssw0rd›@db.internal:5432/app"],
  },
  {
    ...{ name: "url-token", group: "url", near: ["://*@"] },
    pattern: "\\bhttps?://(?<s>[A-Za-z0-9_-]{20,255})@(?=[\\w.-])",
    any_case: true,
    examples: ["git clone https://‹0123456789abc¦def0123›@example.org/a"],
  },
  {
    ...{ name: "auth-header", group: "header", near: ["authorization"] },
    pattern: `\\b(?:proxy-)?authorization["']?[ \\t]{0,8}[:=][ \\t]{0,8}["']?(?:(?:basic|bearer|token|digest|negotiate|apikey|aws4-hmac-sha256|key|splunk|sso-key)[ \\t]{1,8})?(?<s>[^${WS}'"\\\\]${TO_QUOTE})`,
    any_case: true,
    examples: [
      "curl -H 'Authorization: Basic ‹YWRtaW46c2VjcmV0›' https://api",
      "curl -H 'Authorization: ‹abc123›' https://api",
    ],
  },
  {
    ...{ name: "auth-header", group: "header" },
    near: ["cookie", "-*token*:", "-*secret*:", "-*key*:", "-*auth*:"],
    pattern: `["'](?:(?:set-)?cookie|\\w{1,40}-[\\w-]{0,40}(?:token|secret|key|auth|authentication)[\\w-]{0,40})[ ]?:[ ]{0,8}(?<s>(?![/{}\\[$])[^${WS}'"\\\\:]{5,4096}${TO_QUOTE})`,
    any_case: true,
    examples: ['curl -H "X-Auth-Token: ‹5fae0c4e7e›" http://h:5000/v3'],
  },
  {
    ...{ name: "auth-header", group: "header", near: ["x-*:"] },
    pattern: `(?<=[${WS}])X-[\\w-]{0,40}(?:token|secret|key|auth)[\\w-]{0,40}:(?<s>[^${WS}'"\\\\:]{6,4096})`,
    any_case: true,
    examples: ["http GET api.example.org X-Api-Key:‹9f8e7d6c5b4a›"],
  },
  {
    ...{ name: "bearer", group: "header", near: ["bearer"] },
    pattern: `\\bbearer[${WS}:=]{1,8}["']?(?<s>[\\w.~+/-]{12,8192}={0,2})`,
    any_case: true,
    examples: ["echo Bearer ‹abcdef123456.7890›"],
  },
];
