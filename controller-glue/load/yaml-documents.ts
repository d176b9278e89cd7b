// One chunk of YAML → plain values with the line of every field. Whatever the text is: problems, never an exception, never endless work.
import { LineCounter, isAlias, isMap, isPair, isScalar, isSeq, parseAllDocuments } from 'yaml';
import type { Document, Node, Pair, YAMLMap } from 'yaml';
import { childPath } from './path-text.ts';

export interface YamlDocument {
  readonly value: unknown;
  /** Path → 0-based line within the chunk. */
  readonly lines: ReadonlyMap<string, number>;
}
export interface SyntaxProblem { readonly line: number; readonly path: string; readonly message: string }

const MAX_CHUNK = 2 * 1024 * 1024;   // characters; Kubernetes itself takes 1.5 MiB
const MAX_NODES = 200_000;           // after aliases are written out: what makes a bomb a bomb
const MAX_DEPTH = 64;

class Refused extends Error {
  readonly node: Node | null;
  readonly path: string;
  constructor(message: string, node: Node | null, path: string) { super(message); this.node = node; this.path = path; }
}

export function yamlDocuments(text: string): { documents: readonly YamlDocument[]; problems: readonly SyntaxProblem[] } {
  const refuse = (message: string, line = 0) => ({ documents: [], problems: [{ line, path: '', message }] });
  if (text.length > MAX_CHUNK) return refuse(`a document may have ${MAX_CHUNK / 1024 / 1024} MiB at most`);
  const nul = text.indexOf('\0');
  if (nul !== -1) return refuse('a NUL byte is not allowed in YAML', newlines(text.slice(0, nul)));
  const tooDeep = deepFlow(text);
  if (tooDeep !== null) return refuse(`nested more than ${MAX_DEPTH} deep`, tooDeep);
  const counter = new LineCounter();
  const lineAt = (offset: number) => Math.max(0, counter.linePos(offset).line - 1);
  try {
    const parsed = parseAllDocuments(text, { lineCounter: counter, uniqueKeys: false, prettyErrors: false, strict: true });
    const documents: YamlDocument[] = [];
    const problems: SyntaxProblem[] = 'empty' in parsed ? parsed.errors.map((fault) => ({ line: lineAt(fault.pos[0]), path: '', message: firstLine(fault.message) })) : [];
    for (const document of parsed) {
      const faults = [...document.errors, ...document.warnings];
      if (faults.length > 0) {
        problems.push(...faults.slice(0, 3).map((fault) => ({ line: lineAt(fault.pos[0]), path: '', message: firstLine(fault.message) })));
        continue;
      }
      if (document.contents === null) continue;
      try {
        documents.push(new Plain(document, lineAt).read());
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        problems.push({ line: lineAt(error.node?.range?.[0] ?? 0), path: error.path, message: error.message });
      }
    }
    return { documents, problems };
  } catch (error) {
    // The parser recurses: very deep nesting ends in RangeError, and nothing it can throw may end us.
    return refuse(error instanceof RangeError ? 'nested too deep' : `cannot be read: ${error instanceof Error ? firstLine(error.message) : String(error)}`);
  }
}

/** Nodes → plain values, within a budget. */
class Plain {
  readonly #document: Document;
  /** Anchors in the order of the text; what each alias meant is settled when it is first met. */
  readonly #anchors = new Map<string, Node>();
  readonly #aliases = new Map<Node, Node>();
  readonly #lineAt: (offset: number) => number;
  readonly #lines = new Map<string, number>();
  readonly #open = new Set<Node>();
  #budget = MAX_NODES;

  constructor(document: Document, lineAt: (offset: number) => number) { this.#document = document; this.#lineAt = lineAt; }

  read(): YamlDocument {
    const value = this.#value(this.#document.contents as Node | null, '', 0);
    return { value, lines: this.#lines };
  }

  #value(node: Node | null, path: string, depth: number): unknown {
    if (node === null) return null;
    if (--this.#budget < 0) throw new Refused(`more than ${MAX_NODES} values once its aliases are written out`, node, path);
    if (depth > MAX_DEPTH) throw new Refused(`nested more than ${MAX_DEPTH} deep`, node, path);
    if (!isAlias(node) && node.anchor !== undefined && !this.#open.has(node)) this.#anchors.set(node.anchor, node);
    if (isScalar(node)) return this.#scalar(node.value, node, path);
    if (isAlias(node)) {
      const target = this.#aliases.get(node) ?? this.#anchors.get(node.source);
      if (target === undefined) throw new Refused('an alias to an anchor that is not there (a text that begins with * needs quotes)', node, path);
      this.#aliases.set(node, target);
      return this.#value(target, path, depth + 1);
    }
    if (this.#open.has(node)) throw new Refused('an alias refers to what it stands in', node, path);
    this.#open.add(node);
    try {
      if (isMap(node)) return this.#map(node, path, depth);
      if (!isSeq(node)) throw new Refused('is not a value', node, path);
      return node.items.map((item, i) => {
        const child = childPath(path, i);
        this.#mark(child, item as Node | null);
        return this.#value(pairAsMap(item, child), child, depth + 1);
      });
    } finally {
      this.#open.delete(node);
    }
  }

  #map(node: YAMLMap, path: string, depth: number): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    const merged: Node[] = [];
    for (const pair of node.items as Pair<Node, Node | null>[]) {
      if (!isScalar(pair.key)) throw new Refused('a key must be a plain word', pair.key ?? node, path);
      if (pair.key.value === '<<' && pair.key.type === 'PLAIN') { if (pair.value !== null) merged.push(pair.value); continue; }
      const key = String(pair.key.value ?? 'null');
      const child = childPath(path, key);
      if (key === '__proto__') throw new Refused('this key is not allowed', pair.key, child);
      if (Object.hasOwn(result, key)) throw new Refused('is given twice', pair.key, child);
      this.#mark(child, pair.key);
      result[key] = this.#value(pair.value, child, depth + 1);
    }
    for (const source of merged) this.#merge(source, result, path, depth);
    return result;
  }

  /** `<<: *anchor`, as the YAML that Kubernetes reads has it: what is written beside it wins. */
  #merge(source: Node, into: Record<string, unknown>, path: string, depth: number): void {
    const value = this.#value(source, path, depth + 1);
    for (const each of Array.isArray(value) ? value : [value]) {
      if (typeof each !== 'object' || each === null || Array.isArray(each)) throw new Refused('<< takes a mapping', source, path);
      for (const [key, member] of Object.entries(each)) if (!Object.hasOwn(into, key)) into[key] = member;
    }
  }

  #scalar(value: unknown, node: Node, path: string): unknown {
    if (value === undefined) return null;
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw new Refused('is not a value that JSON has', node, path);
  }

  #mark(path: string, node: Node | null): void {
    if (!this.#lines.has(path) && node?.range != null) this.#lines.set(path, this.#lineAt(node.range[0]));
  }
}

/** `- key: value` in flow form may come as a bare pair. */
function pairAsMap(item: unknown, path: string): Node | null {
  if (isPair(item)) throw new Refused('is not a value', null, path);
  return item as Node | null;
}

function firstLine(message: string): string { return message.split('\n', 1)[0] ?? message; }
function newlines(text: string): number { return text.split('\n').length - 1; }

/** Line of the first bracket past the depth that any document of ours needs: stops bracket bombs before the parser recurses into them. */
function deepFlow(text: string): number | null {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 91 || c === 123) { if (++depth > 4 * MAX_DEPTH) return newlines(text.slice(0, i)); }
    else if (c === 93 || c === 125) depth = Math.max(0, depth - 1);
  }
  return null;
}
