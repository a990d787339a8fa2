/** Texts that somebody may have recorded, and that a browser would act upon. */

const COUNT = 500;

/** Each would act in one place or another, if it were not text. */
const SHAPES = [
  "<img src=x onerror=alert(#)>",
  "<script>alert(#)</script>",
  "</title><script>alert(#)</script>",
  "</style></svg><svg onload=alert(#)>",
  '"><iframe srcdoc="<script>parent.alert(#)</script>">',
  "' autofocus onfocus='alert(#)",
  "` onclick=`alert(#)",
  "--><!--#",
  "]]><![CDATA[#",
  "&lt;b&gt;#&#60;&amp;",
  "<a href=javascript:alert(#)>#</a>",
  "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/#'>",
  "<link rel=stylesheet href=//127.0.0.1:9/#><base href=//127.0.0.1:9/>",
  "<style>*{display:none}</style>#",
  "${alert(#)}{{#}}<%=#%>",
  "\u202e#\u2066<b>\u0000\u001b[31m",
  "\ud83d\ude00<b>#\n<i>",
  "#<plaintext>",
  "<textarea>#<!--",
  "<svg><use href=data:,#></svg>",
];
export const hostile = Array.from({ length: COUNT }, (_, n) =>
  SHAPES[n % SHAPES.length]!.replaceAll("#", `q${n}z`),
);
