import { html, Html } from "./html.js";
import { styleSheet } from "./style.js";

/** A page under its title that needs nothing else: no script, no network, light or dark as the reader's system is. `rules` are style beyond what all pages have. */
export function page(title: string, content: Html, rules = ""): string {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title><style>${new Html(styleSheet + rules)}</style></head>
<body><main>
<h1>${title}</h1>
${content}
</main></body></html>
`.text;
}
