/**
 * The narrative's XHTML (R4 narrative.html; invariants txt-1 and txt-2): one `div`, formatting elements of HTML 4.0 chapters 7
 * to 11 and 15, links and images; no scripts, forms, objects, frames, event attributes. A check, not a sanitiser: what
 * fails is refused.
 */

const ELEMENTS: ReadonlySet<string> = new Set(
  (
    'div p br span b i u s strong em small big tt sub sup q blockquote pre code samp kbd var cite abbr acronym dfn ' +
    'h1 h2 h3 h4 h5 h6 ul ol li dl dt dd hr a img table caption colgroup col thead tbody tfoot tr th td ins del address ' +
    'center font strike bdo style'
  ).split(' '),
);

const ATTRIBUTES: ReadonlySet<string> = new Set(
  (
    'xmlns class style id name title href src alt lang xml:lang dir align valign width height border cellpadding cellspacing ' +
    'colspan rowspan abbr axis char charoff headers scope summary span start type value compact size color face cite ' +
    'datetime clear nowrap bgcolor frame rules noshade hspace vspace longdesc rel rev hreflang charset accesskey tabindex shape ' +
    'coords usemap ismap'
  ).split(' '),
);

const TAG = /<(\/?)([A-Za-z][\w:]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y;
const ATTRIBUTE = /([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const ACTIVE_URL = /^(?:javascript|vbscript|data(?!:image\/(?:png|jpe?g|gif|svg\+xml)[;,]))/i;

/** True when the text is one well-formed `div` of allowed elements and attributes with some content. */
export function isSafeNarrative(text: string): boolean {
  const body = text.trim();
  if (!body.startsWith('<div')) return false;
  const open: string[] = [];
  let content = false;
  let at = 0;
  while (at < body.length) {
    if (at > 0 && open.length === 0) return false;
    const next = body.indexOf('<', at);
    const plain = body.slice(at, next < 0 ? body.length : next);
    content ||= plain.trim() !== '';
    if (next < 0) return false;
    if (body.startsWith('<!--', next)) {
      const end = body.indexOf('-->', next + 4);
      if (end < 0) return false;
      at = end + 3;
      continue;
    }
    TAG.lastIndex = next;
    const tag = TAG.exec(body);
    if (tag === null) return false;
    const [whole, closing, name = '', attributes = '', empty] = tag;
    if (!ELEMENTS.has(name)) return false;
    if (name === 'img') content = true;
    if (closing === '/') {
      if (open.pop() !== name || attributes !== '' || empty === '/') return false;
    } else {
      if (!safeAttributes(attributes)) return false;
      if (empty !== '/') open.push(name);
    }
    at = next + whole.length;
  }
  return open.length === 0 && content;
}

function safeAttributes(text: string): boolean {
  if (text === '') return true;
  for (const [, name = '', double, single] of text.matchAll(ATTRIBUTE)) {
    if (!ATTRIBUTES.has(name)) return false;
    const value = double ?? single ?? '';
    if (name === 'href' || name === 'src' || name === 'cite' || name === 'longdesc') {
      // Entities, spaces and control characters are how active URLs hide: browsers decode and skip them.
      if (/&(?!amp;)/.test(value) || ACTIVE_URL.test(value.replaceAll(/[^!-\uffff]/g, ''))) return false;
    }
    if (name === 'style' && /expression|@import|behavior|javascript:|vbscript:|\\|&(?!quot;|amp;)/i.test(value))
      return false;
  }
  return true;
}
