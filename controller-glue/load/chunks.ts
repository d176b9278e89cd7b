// A file cut into its documents before any of it is parsed, so that a document that did not change is not parsed again.

export interface Chunk { readonly text: string; readonly line: number }   // line: how many lines stand before it

/** YAML 1.2, 9.1: `---` at the start of a line, followed by white space or nothing, begins a document, wherever it stands (it may not be part of a scalar). */
const MARKER = /^---(?=[ \t\r\n]|$)/;

export function chunks(text: string): Chunk[] {
  const found: Chunk[] = [];
  let start = 0;
  let startLine = 0;
  let line = 0;
  let directives = false;                  // `%YAML` before a `---` belongs to the document after it
  for (let at = 0; at < text.length;) {
    const newline = text.indexOf('\n', at);
    const end = newline === -1 ? text.length : newline + 1;
    if (text.startsWith('---', at) && at > start && MARKER.test(text.slice(at, Math.min(end, at + 4)))) {
      if (!directives) {
        found.push({ text: text.slice(start, at), line: startLine });
        [start, startLine] = [at, line];
      }
      directives = false;
    } else if (text[at] === '%' && onlyComments(text.slice(start, at))) {
      directives = true;
    }
    at = end;
    line++;
  }
  if (start < text.length) found.push({ text: text.slice(start), line: startLine });
  return found;
}

function onlyComments(text: string): boolean {
  return text.length < 4096 && text.split('\n').every((line) => line.trim() === '' || line.startsWith('#') || line.startsWith('%') || line.startsWith('...'));
}
