/** The OpenAPI document as one HTML page: no script, no other host, readable in a terminal browser. */

type Json = Readonly<Record<string, unknown>>;

export const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid; }
section { margin: 1.5rem 0; }
h3 { font: 600 1rem ui-monospace, monospace; margin: 0; }
.method { display: inline-block; min-width: 4.5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; margin: 0.5rem 0; }
dt { font-family: ui-monospace, monospace; }
dd { margin: 0; }
p { margin: 0.3rem 0; }
`;

const METHODS = ['get', 'post', 'put', 'delete'] as const;

/** The page of a parsed OpenAPI document. Total: what is not there is left out. */
export function renderPage(document: unknown): string {
  const info = at(document, 'info');
  const tags = list(at(document, 'tags')).map((tag) => {
    const name = text(at(tag, 'name'));
    const operations = operationsOf(document, name);
    return `<h2>${escape(name)}</h2><p>${escape(text(at(tag, 'description')))}</p>${operations}`;
  });
  const title = escape(text(at(info, 'title')));
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${title}</title><meta name="viewport" content="width=device-width"><style>${STYLE}</style></head>
<body>
<h1>${title}</h1>
${paragraphs(text(at(info, 'description')))}
<p><a href="/openapi.yaml">openapi.yaml</a> · <a href="/openapi.json">openapi.json</a> · <a href="/fhir/metadata">CapabilityStatement</a> · <a href="/ledger/checkpoint">checkpoint</a></p>
${tags.join('\n')}
</body>
</html>
`;
}

function operationsOf(document: unknown, tag: string): string {
  const out: string[] = [];
  for (const [path, item] of entries(at(document, 'paths'))) {
    for (const method of METHODS) {
      const operation = at(item, method);
      if (!list(at(operation, 'tags')).includes(tag)) continue;
      const parameters = [...list(at(item, 'parameters')), ...list(at(operation, 'parameters'))];
      out.push(operationOf(document, method, path, operation, parameters));
    }
  }
  return out.join('\n');
}

function operationOf(
  document: unknown,
  method: string,
  path: string,
  operation: unknown,
  parameters: readonly unknown[],
): string {
  const rows = parameters.map((given) => {
    const parameter = resolve(document, given);
    const place = text(at(parameter, 'in'));
    return `<dt>${escape(text(at(parameter, 'name')))}</dt><dd>${escape(`${place}. ${text(at(parameter, 'description'))}`)}</dd>`;
  });
  const open = Array.isArray(at(operation, 'security')) ? '' : '<p>Needs a bearer token.</p>';
  return `<section><h3><span class="method">${method.toUpperCase()}</span>${escape(path)}</h3>
<p>${escape(text(at(operation, 'summary')))}</p>${paragraphs(text(at(operation, 'description')))}${open}
${rows.length === 0 ? '' : `<dl>${rows.join('')}</dl>`}</section>`;
}

/** Follows `#/a/b` inside the document. */
function resolve(document: unknown, value: unknown): unknown {
  const reference = at(value, '$ref');
  if (typeof reference !== 'string') return value;
  return reference
    .split('/')
    .slice(1)
    .reduce<unknown>((here, name) => at(here, name), document);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function at(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function entries(value: unknown): readonly (readonly [string, unknown])[] {
  return isObject(value) ? Object.entries(value) : [];
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function paragraphs(value: string): string {
  return value
    .split(/\n\n+/)
    .filter((part) => part.trim() !== '')
    .map((part) => `<p>${escape(part)}</p>`)
    .join('');
}

function escape(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
